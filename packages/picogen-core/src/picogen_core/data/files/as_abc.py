"""What becomes of a score file."""

from __future__ import annotations

from dataclasses import dataclass

from picogen_core.abc.compare import Difference


@dataclass(frozen=True)
class AsAbc:
    """A score as ABC: its credits (`T:`, `C:`), NotaGen's interleaved form with all voices in each
    line, the bars that had to be written anew, and those whose notes differ even so."""

    abc: str
    mended: tuple[Difference, ...] = ()
    left: tuple[Difference, ...] = ()

    def remarks(self) -> tuple[str, ...]:
        """What should be known of the score, in words."""
        found = [f"written anew: {_listed(self.mended)}"] if self.mended else []
        return (*found, *([f"notes differ: {_listed(self.left)}"] if self.left else []))


def _listed(some: tuple[Difference, ...], most: int = 3) -> str:
    more = f"; {len(some) - most} more" if len(some) > most else ""
    return "; ".join(map(str, some[:most])) + more

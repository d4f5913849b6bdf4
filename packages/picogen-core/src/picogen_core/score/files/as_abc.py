"""The result of reading a score file."""

from __future__ import annotations

from dataclasses import dataclass

from picogen_core.abc.compare import Difference


@dataclass(frozen=True)
class AsAbc:
    """A score as ABC: its credits (`T:`, `C:`), and NotaGen's interleaved form with all voices.

    It also lists the bars that were rewritten, those whose notes differ nevertheless, and those
    with a tie into another voice.
    """

    abc: str
    mended: tuple[Difference, ...] = ()
    left: tuple[Difference, ...] = ()
    crossing: tuple[Difference, ...] = ()

    def remarks(self) -> tuple[str, ...]:
        """Remarks on the score for the user."""
        kinds = {
            "written anew": self.mended,
            "notes differ": self.left,
            "struck again": self.crossing,
        }
        return tuple(f"{what}: {_listed(some)}" for what, some in kinds.items() if some)


def _listed(some: tuple[Difference, ...], most: int = 3) -> str:
    more = f"; {len(some) - most} more" if len(some) > most else ""
    return "; ".join(map(str, some[:most])) + more

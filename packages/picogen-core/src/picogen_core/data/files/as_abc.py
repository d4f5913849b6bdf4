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

"""Records that pass between the steps of data preparation."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourcePiece:
    """One tune as its source has it.

    name:       unique within the source: `oneills1850/0001-0050.abc#12`.
    abc:        the tune's ABC, header and body; "" if `file` has still to be read.
    provenance: where it comes from, for people.
    licence:    what is known of its licence, or "unknown".
    file:       a score that is not ABC; the preparation reads it, in a process of its own.
    fault:      why it cannot be read, of one that is only to be counted.
    """

    name: str
    abc: str
    provenance: str
    licence: str
    file: Path | None = None
    fault: str = ""

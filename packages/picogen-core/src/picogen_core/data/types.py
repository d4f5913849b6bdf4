"""Records that pass between the steps of data preparation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourcePiece:
    """One tune as its source has it.

    name:       unique within the source: `oneills1850/0001-0050.abc#12`.
    abc:        the tune's ABC, header and body.
    provenance: where it comes from, for people.
    licence:    what is known of its licence, or "unknown".
    """

    name: str
    abc: str
    provenance: str
    licence: str

"""Records that pass between the steps of data preparation."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


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


class IndexRow(BaseModel):
    """What a row of an index has to be, as far as it has it; more keys may stand beside these."""

    model_config = ConfigDict(strict=True, extra="allow")

    path: str = ""
    key: str = ""
    split: str = ""
    cluster: int | str = 0
    original: bool = True
    notes: int = Field(0, ge=0, lt=1 << 53)
    licence: str = ""
    tags: list[str] = Field(["", "", ""], min_length=3, max_length=3)

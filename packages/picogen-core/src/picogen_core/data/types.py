"""Records that pass between the steps of data preparation."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class SourcePiece:
    """One tune from a source.

    name:       unique within the source: `oneills1850/0001-0050.abc#12`.
    abc:        the tune's ABC, header and body; "" if `file` has still to be read.
    provenance: its origin, for readers.
    licence:    its licence, or "unknown".
    file:       a score that is not ABC; the preparation reads it in a separate process.
    fault:      why it cannot be read; such a piece is only counted.
    """

    name: str
    abc: str
    provenance: str
    licence: str
    file: Path | None = None
    fault: str = ""


class IndexRow(BaseModel):
    """Types of the keys of an index row; all are optional, and more keys are allowed."""

    model_config = ConfigDict(strict=True, extra="allow")

    path: str = ""
    key: str = ""
    split: str = ""
    cluster: int | str = 0
    original: bool = True
    notes: int = Field(0, ge=0, lt=1 << 53)
    licence: str = ""
    tags: list[str] = Field(["", "", ""], min_length=3, max_length=3)

"""The metric `likelihood`: bits that a model needs for the pieces. It loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from picogen_core import (
    Metric,
    Options,
    PieceFacts,
    ReferenceRows,
    Row,
    Summary,
    Undefined,
)
from picogen_core.errors import BadInput
from picogen_core.score.reading import Piece
from pydantic import Field

from picogen_metrics.means import Column, ratio_value

if TYPE_CHECKING:
    from picogen_core.model.student import GenericStudent

CHARACTER = Column("bit/character", "lower")
NOTE = Column("bit/note", "lower")


class LikelihoodOptions(Options):
    checkpoint: Path = Field(description="A run, a checkpoint folder or a NotaGen .pth.")
    key: str = Field("C", description="Key to transpose every piece to, or original.")
    max_patches: int = Field(
        256, ge=2, le=1_048_576, description="Patches from the head of a piece; the rest is cut."
    )
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")


class LikelihoodMetric(Metric):
    """Teacher-forced −log2 p of the pieces, in one key and one crop, so that folders compare.

    bits_per_character: of all characters but padding, with counters and EOS, as in NotaGen.
    bits_per_note:      bits of the characters of music, divided by their notes.
    """

    def __init__(self, options: LikelihoodOptions) -> None:
        self.options = options

    @cached_property
    def _model(self) -> GenericStudent:
        from picogen_core.model.checkpoint import load_model

        return load_model(self.options.checkpoint)

    def measure(self, piece: Piece) -> Row:
        """Return the bits. Raises `Undefined` if ABC is missing, or not encodable in the key."""
        from picogen_core.abc.pitch.transpose import Transposer
        from picogen_core.data.crops import crop
        from picogen_core.data.piece import to_interleaved
        from picogen_core.data.prepared.store import encode_piece, from_encoded
        from picogen_core.training.evaluate import evaluate

        if not piece.voices:
            raise Undefined("no notes")
        if piece.text.lstrip("\ufeff \r\n\t").startswith("<"):
            raise Undefined("MusicXML: the model reads ABC")
        try:
            text = to_interleaved(piece.text).text
            if self.options.key != "original":
                text = Transposer(text).to(self.options.key)[0]
            encoded = crop(encode_piece(text), self.options.max_patches, None)
        except BadInput as error:
            raise Undefined(f"cannot be encoded: {error}") from None
        data = from_encoded([{"path": piece.name}], [encoded])
        count = self.options.max_patches
        whole = evaluate(self._model, data, 1, count)
        music = evaluate(self._model, data, 1, count, music_only=True)
        return {
            "bits": whole.bits_per_character * whole.characters[0],
            "characters": whole.characters[0],
            "music_bits": music.bits_per_character * music.characters[0],
            "notes": len(encoded.notes),
        }

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return ratios of sums with a 95 % bootstrap interval over pieces."""
        if not rows:
            return Summary({}, notes=["no piece for the model to score"])
        times = self.options.bootstrap
        ratios = {
            "bits_per_character": ([(r["bits"], r["characters"]) for r in rows], CHARACTER),
            "bits_per_note": ([(r["music_bits"], r["notes"]) for r in rows], NOTE),
        }
        values = {
            name: value
            for name, (parts, column) in ratios.items()
            if (value := ratio_value(parts, column, times, rng)) is not None
        }
        facts = [PieceFacts({"bits_per_character": r["bits"] / r["characters"]}) for r in rows]
        return Summary(values, headline="bits_per_character", pieces=facts)

"""The metric `validity`: what share of a folder opens, is well-formed, and holds together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from picogen_core import Options, Row, Summary, Undefined, Value
from picogen_core.pieces import Piece
from pydantic import Field

from picogen_metrics.means import Column, mean_values, ratio_value
from picogen_metrics.meter import meter_agreement
from picogen_metrics.validity import (
    align_bars,
    announced_bars,
    complete_voices,
    repairs_by_kind,
)

_SHARE = Column("%", "higher", 100)
COLUMNS = {
    "valid": _SHARE,
    "pieces_in_meter": _SHARE,
    "converts": _SHARE,
    "schema_valid": _SHARE,
    "aligned": _SHARE,
    "bars_as_announced": _SHARE,
    "repairs": Column("repair/piece", "lower"),
}
_FIRST = ("valid", "meter_agreement", "pieces_in_meter", "repairs")
ERROR = Column("%", "lower", 100)
METER = Column("%", "closer", 100)


class ValidityOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")
    convert: bool = Field(True, description="Convert ABC to MusicXML, which takes 0.1 s a piece.")


class ValidityMetric:
    """Shares of pieces, files that cannot be read included.

    valid:               converts, satisfies the schema, keeps its bars, and all voices agree.
    converts:            abc2xml reads it as it stands, unrepaired, and gives measures.
    schema_valid:        the MusicXML 4.0 schema (W3C) accepts the result, or the MusicXML itself.
    aligned:             no bar in which a voice lasts longer or shorter; of pieces with voices. In
                         MusicXML, which asks for no rests, a voice may end before its part does.
    bar_alignment_error: share of such bars (Wang et al. 2025); human scores have 0.377 %.
    bars_as_announced:   as many lines as the model's own counters `[r:i/n]` say at the start.
    meter_agreement:     share of bars as long as the meter, see `validity.meter_agreement`.
    pieces_in_meter:     all their bars are; of pieces that have a meter.
    repairs:             what `picogen generate` mended before it wrote the piece, also by kind.
    """

    def __init__(self, options: ValidityOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """`why` lists what is wrong. Raises `Undefined` for a text without notes and no fault."""
        if piece.fault is not None:
            return {"valid": False, "converts": False, "why": [piece.fault]}
        if not piece.voices:
            raise Undefined("no notes")
        from picogen_metrics.soundness import Soundness, is_musicxml, judge

        sound = judge(piece) if self.options.convert else Soundness(True)
        bars = complete_voices(piece.bars) if is_musicxml(piece) else piece.bars
        alignment = align_bars(bars)
        several = len(piece.bars) > 1
        good, count = meter_agreement(bars)
        raw = piece.record.get("raw")
        announced = announced_bars(raw if isinstance(raw, str) else piece.text)
        repairs = repairs_by_kind(piece.record.get("repairs", ())) if piece.record else None
        why = [] if sound.fault is None else [sound.fault]
        if alignment.wrong:
            listed = ", ".join(map(str, alignment.wrong[:5]))
            more = ", …" if len(alignment.wrong) > 5 else ""
            why.append(f"voices differ in bars {listed}{more}")
        return {
            "valid": not why,
            "converts": sound.converts if self.options.convert else None,
            "schema_valid": sound.schema_valid,
            "aligned": not alignment.wrong if several else None,
            "bars": alignment.bars,
            "misaligned": list(alignment.wrong),
            "bars_as_announced": None if announced is None else announced[0] == announced[1],
            "in_meter": [good, count],
            "pieces_in_meter": good == count if count else None,
            "repairs": None if repairs is None else sum(repairs.values()),
            "repairs_by_kind": repairs,
            "why": why,
        }

    def summarise(
        self, rows: Sequence[Row], reference: Sequence[Row] | None, rng: np.random.Generator
    ) -> Summary:
        """Shares with a 95 % bootstrap interval over pieces."""
        if not rows:
            return Summary({}, notes=["no piece to judge"])
        times = self.options.bootstrap
        values = mean_values(rows, COLUMNS, times, rng)
        voiced = [row for row in rows if row.get("aligned") is not None]
        ratios = {
            "bar_alignment_error": ([(len(r["misaligned"]), r["bars"]) for r in voiced], ERROR),
            "meter_agreement": ([tuple(r["in_meter"]) for r in rows if "in_meter" in r], METER),
        }
        for name, (parts, column) in ratios.items():
            value = ratio_value(parts, column, times, rng)
            if value is not None:
                values[name] = value
        values = {name: values[name] for name in _FIRST if name in values} | values
        values |= _repair_kinds(rows)
        pieces = [{"valid": row["valid"], "why": row["why"]} for row in rows]
        return Summary(values, headline="valid", pieces=pieces)


def _repair_kinds(rows: Sequence[Row]) -> dict[str, Value]:
    """Repairs a piece by kind, of the pieces whose repairs are known."""
    known = [row["repairs_by_kind"] for row in rows if row.get("repairs_by_kind") is not None]
    kinds = sorted({kind for kinds in known for kind in kinds})
    return {
        f"repairs: {kind}": Value(
            sum(kinds.get(kind, 0) for kinds in known) / len(known),
            "repair/piece",
            len(known),
            better="lower",
            detail=True,
        )
        for kind in kinds
    }

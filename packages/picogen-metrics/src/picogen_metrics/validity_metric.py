"""The metric `validity`: the share of a folder that is readable, well-formed and consistent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from picogen_core import (
    Metric,
    Options,
    PieceFacts,
    ReferenceRows,
    Row,
    Summary,
    Undefined,
    Value,
)
from picogen_core.score.reading import Piece, ScoreText, Unreadable, read_score
from pydantic import Field

from picogen_metrics.means import Column, mean_values, ratio_value
from picogen_metrics.meter import meter_agreement, meter_faults
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
    "repairs": Column("repair/piece", "lower"),
    "converts": _SHARE,
    "schema_valid": _SHARE,
    "aligned": _SHARE,
    "bars_as_announced": _SHARE,
}
_FIRST = ("valid", "meter_agreement", "repairs", "pieces_in_meter")
ERROR = Column("%", "lower", 100)
NO_RECORD = "no piece has the JSON of picogen generate beside it"
ABSENT = {
    "repairs": NO_RECORD,
    "bars_as_announced": "no piece has counters",
    "aligned": "no piece has several voices",
    "bar_alignment_error": "no piece has several voices",
    "meter_agreement": "no piece has a meter",
    "pieces_in_meter": "no piece has a meter",
    "converts": "nothing was converted",
    "schema_valid": "nothing was converted, or the schema is not installed",
}
"""Reasons for which a folder may lack a value."""


class ValidityOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")
    convert: bool = Field(True, description="Convert ABC to MusicXML (0.1 s per piece).")


class ValidityMetric(Metric):
    """Shares of pieces, with unreadable files included.

    A piece with the JSON of `picogen generate` beside it is judged before repair; a note counts
    these pieces. Without a reference, the values of `bach` are shown for a folder in which most
    pieces have several voices, else those of `oneills`.

    valid:               converts, satisfies the schema, keeps its bars, and all voices agree.
    converts:            abc2xml reads it unrepaired and returns measures.
    schema_valid:        the MusicXML 4.0 schema (W3C) accepts the result, or the MusicXML itself.
    aligned:             of pieces with voices, those without a bar of unequal voices. In MusicXML,
                         which does not require rests, a voice may end before its part.
    bar_alignment_error: share of such bars (Wang et al. 2025); human scores have 0.377 %.
    bars_as_announced:   as many lines as the model's first counter `[r:i/n]` announces.
    meter_agreement:     share of bars as long as the meter, see `picogen_metrics.meter`.
    repairs:             number of repairs by `picogen generate`, also by kind.
    pieces_in_meter:     of pieces with a meter, those in which all bars keep it. Other bars are
                         counted by kind, see `meter.meter_faults`.
    """

    def __init__(self, options: ValidityOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Return a row; `why` lists its faults. Raises `Undefined` without notes and faults."""
        if piece.fault is not None:
            return {"valid": False, "converts": False, "why": [piece.fault]}
        if not piece.voices:
            raise Undefined("no notes")
        repairs = repairs_by_kind(piece.record.get("repairs", ())) if piece.record else None
        mended = {
            "repairs": None if repairs is None else sum(repairs.values()),
            "repairs_by_kind": repairs,
        }
        draft = before_repair(piece)
        if isinstance(draft, Unreadable):
            why = [f"before repair: {draft.reason}"]
            return {"valid": False, "converts": False, "draft": True, "why": why, **mended}
        return {**self._judge(draft or piece), "draft": draft is not None, **mended}

    def _judge(self, piece: Piece) -> Row:
        """Return the row of a piece without repair."""
        from picogen_metrics.soundness import Soundness, is_musicxml, judge

        sound = judge(piece) if self.options.convert else Soundness(True)
        bars = complete_voices(piece.bars) if is_musicxml(piece) else piece.bars
        alignment = align_bars(bars)
        good, count = meter_agreement(bars)
        announced = announced_bars(piece.text)
        why = [] if sound.fault is None else [sound.fault]
        if alignment.wrong:
            listed = ", ".join(map(str, alignment.wrong[:5]))
            more = ", …" if len(alignment.wrong) > 5 else ""
            why.append(f"voices differ in bars {listed}{more}")
        return {
            "valid": not why,
            "converts": sound.converts if self.options.convert else None,
            "schema_valid": sound.schema_valid,
            "aligned": not alignment.wrong if len(piece.bars) > 1 else None,
            "bars": alignment.bars,
            "misaligned": list(alignment.wrong),
            "bars_as_announced": None if announced is None else announced[0] == announced[1],
            "in_meter": [good, count],
            "pieces_in_meter": good == count if count else None,
            "out_of_meter": meter_faults(bars) if count else None,
            "why": why,
        }

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return shares with a 95 % bootstrap interval over pieces."""
        if not rows:
            return Summary({}, notes=["no piece to judge"])
        times = self.options.bootstrap
        values = mean_values(rows, COLUMNS, times, rng)
        voiced = [row for row in rows if row.get("aligned") is not None]
        ratios = {
            "bar_alignment_error": ([(len(r["misaligned"]), r["bars"]) for r in voiced], ERROR),
            "meter_agreement": ([tuple(r["in_meter"]) for r in rows if "in_meter" in r], _SHARE),
        }
        for name, (parts, column) in ratios.items():
            value = ratio_value(parts, column, times, rng)
            if value is not None:
                values[name] = value
        values = {name: values[name] for name in _FIRST if name in values} | values
        values |= _kinds(rows, "repairs_by_kind", "repairs", "repair/piece")
        values |= _kinds(rows, "out_of_meter", "out of meter", "bar/piece")
        drafts = sum(bool(row.get("draft")) for row in rows)
        notes = [
            f"{drafts} of {len(rows)} pieces are judged before repair, by the JSON beside them"
        ]
        return Summary(
            values,
            notes=notes if drafts else [],
            headline="valid",
            pieces=[_facts(row) for row in rows],
            more_headlines=_FIRST[1:],
            absent={name: why for name, why in ABSENT.items() if name not in values},
            usual="bach" if 2 * len(voiced) > len(rows) else "oneills",
        )


def before_repair(piece: Piece) -> Piece | Unreadable | None:
    """Return the model's text from the JSON beside the piece; None without such a JSON.

    A last line that was cut off is dropped.
    """
    raw = piece.record.get("raw")
    if not isinstance(raw, str):
        return None
    if piece.record.get("complete") is False and not raw.endswith("\n"):
        raw = raw[: raw.rfind("\n") + 1]
    return read_score(ScoreText(piece.name, raw))


def _facts(row: Row) -> PieceFacts:
    """Return the facts of a piece for a report."""
    facts: dict[str, object] = {"valid": row["valid"]}
    good, count = row.get("in_meter", (0, 0))
    if count:
        facts["bars_in_meter"] = f"{good} of {count}"
    if row.get("repairs") is not None:
        facts["repairs"] = row["repairs"]
    return PieceFacts(facts, why=row["why"])


def _kinds(rows: Sequence[Row], column: str, title: str, unit: str) -> dict[str, Value]:
    """Return the mean count of each kind over pieces that have it: `{"repairs: align bars": …}`."""
    known = [row[column] for row in rows if row.get(column) is not None]
    kinds = sorted({kind for kinds in known for kind in kinds})
    return {
        f"{title}: {kind}": Value(
            sum(kinds.get(kind, 0) for kinds in known) / len(known),
            unit,
            len(known),
            better="lower",
            detail=True,
        )
        for kind in kinds
    }

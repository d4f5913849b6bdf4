"""Values of K:, L:, M:, Q: and clefs that a piece may have, spelt out for steering."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from picogen_core.abc.fields import MODES, PITCHED_CLEFS
from picogen_core.abc.grammar.lengths import Spellings, one_of
from picogen_core.abc.repair.header import field_is_legal

# ABC 2.1, 4.14, and what programs write beside it.
_ORNAMENTS = "trill trill( trill) mordent lowermordent uppermordent pralltriller roll turn turnx \
invertedturn invertedturnx arpeggio fermata invertedfermata slide snap"
_MARKS = "> accent emphasis marcato ^ wedge tenuto staccato upbow downbow open thumb breath + plus \
/ // /// 0 1 2 3 4 5 shortphrase mediumphrase longphrase"
_DYNAMICS = "pppp ppp pp p mp mf f ff fff ffff sf sfz sffz fp fz rfz cresc dim \
crescendo( crescendo) <( <) diminuendo( diminuendo) >( >)"
_FORM = "segno Segno coda Coda fine Fine D.C. D.S. D.C.alcoda D.C.alfine D.S.alcoda D.S.alfine \
dacapo dacoda"
_LINES = "8va( 8va) 8vb( 8vb) 15ma( 15ma) 15mb( 15mb) ped ped) ped-up ped( editorial courtesy"
DECORATIONS = tuple(" ".join((_ORNAMENTS, _MARKS, _DYNAMICS, _FORM, _LINES)).split())


CLEFS = (*PITCHED_CLEFS, "treble-8", "treble+8", "bass-8", "bass+8", "perc")
ORDER = "LQMKV"
"""Fields of a header in NotaGen's order."""


def _every_key() -> tuple[str, ...]:
    """Return the keys of at most seven sharps or flats, in all modes, and none."""
    named = [letter + sign + mode for letter in "CDEFGAB" for sign in ("", "#", "b")
             for mode in MODES]  # fmt: skip
    return (*(key for key in named if field_is_legal("K", key)), "none")


_METERS = (
    "4/4", "3/4", "6/8", "2/4", "2/2", "9/8", "3/8", "12/8", "3/2", "6/4", "5/4", "4/2", "4/8",
    "7/8", "5/8", "9/4", "6/16", "9/16", "12/16", "3/1", "2/1", "none",
)  # fmt: skip
_TEMPOS = tuple(
    f"{beat}={speed}" for beat in ("1/4", "1/2", "3/8", "1/8") for speed in range(40, 241)
)


@dataclass(frozen=True, eq=False)
class FieldChoices:
    """Allowed values of each field; the most usual ones first. Two are equal only if they are one.

    units, tempos, meters, keys: values of L:, Q:, M:, K:.
    requested: fields of which a person requested the value. A header has them, with that value
               alone, and they do not change within the piece.
    """

    units: tuple[str, ...] = ("1/8", "1/16", "1/4", "1/2", "1/32")
    tempos: tuple[str, ...] = _TEMPOS
    meters: tuple[str, ...] = _METERS
    keys: tuple[str, ...] = field(default_factory=_every_key)
    requested: frozenset[str] = frozenset()

    def requesting(self, values: dict[str, str]) -> FieldChoices:
        """The same, but for the fields that have one value by the name of their letter."""
        names = {"L": "units", "Q": "tempos", "M": "meters", "K": "keys"}
        changed = {names[letter]: (value,) for letter, value in values.items()}
        return replace(self, **changed, requested=frozenset(values))

    def header_lines(self, seen: str, voices: int, most: int) -> tuple[str, ...]:
        """The lines that may come after those of these letters; the most usual ones first."""
        lines: list[str] = []
        if not seen:
            lines += [f"L:{unit}" for unit in self.units]
        if seen == "L":
            lines += [f"Q:{tempo}" for tempo in self.tempos]
        if seen == "LQ" or (seen == "L" and "Q" not in self.requested):
            lines += [f"M:{meter}" for meter in self.meters]
        if seen.endswith("M"):
            lines += [f"K:{key}" for key in self.keys]
        if "K" in seen and voices < most:
            lines += [f"V:{voices + 1} {clef}" for clef in self.clefs()]
        return tuple(lines)

    def clefs(self) -> tuple[str, ...]:
        """Clefs of voices; a percussion staff has no key, so none where a key is requested."""
        return tuple(clef for clef in CLEFS if clef != "perc" or "K" not in self.requested)


@lru_cache(maxsize=64)
def inline_fields(choices: FieldChoices, units: bool) -> Spellings:
    """`K:Gmin`, `M:6/8`, `Q:1/4=120`, and with `units` `L:1/16`."""
    values = {
        "K": choices.keys, "M": choices.meters, "Q": choices.tempos,
        "L": choices.units if units else (),
    }  # fmt: skip
    spelt = [f"K:{clef}" for clef in choices.clefs()]
    for letter, known in values.items():
        if letter not in choices.requested:
            spelt += [f"{letter}:{value}" for value in known]
    return one_of(*spelt)


@lru_cache(maxsize=256)
def header_spellings(choices: FieldChoices, seen: str, voices: int, most: int) -> Spellings:
    """The beginnings of `FieldChoices.header_lines`."""
    return one_of(*choices.header_lines(seen, voices, most))


@lru_cache(maxsize=256)
def meter_change(meter: str) -> Spellings:
    """The beginnings of the one change to this meter."""
    return one_of(f"M:{meter}")


EVERYTHING = FieldChoices()
"""What music has, where nothing is known of what a model was trained on."""

"""The barlines and endings of a MusicXML score, in ABC's spelling."""

from __future__ import annotations

from typing import Any

_STYLES = {
    "light-light": "||",
    "light-heavy": "|]",
    "heavy-light": "[|",
    "heavy-heavy": "||",
    "heavy": "||",
}


def read_barlines(root: Any) -> list[tuple[str, str]]:
    """Return (barlines after it, number of the ending that begins with it) of each measure.

    A barline counts if one part has it. Those at the left of a measure follow the barline of the
    measure before; barlines within a measure are left out.
    """
    measures: list[_Measure] = []
    for part in root.iterfind("part"):
        for number, element in enumerate(part.iterfind("measure")):
            if number == len(measures):
                measures.append(_Measure())
            for barline in element.iterfind("barline"):
                measures[number].read(barline)
    following = [*measures[1:], _Measure()]
    return [
        (f"{measure.right()} {after.left()}".rstrip(), measure.ending)
        for measure, after in zip(measures, following, strict=False)
    ]


class _Measure:
    """The signs at either side of one measure, in any part."""

    def __init__(self) -> None:
        self.styles: dict[str, str] = {}
        self.repeats: set[str] = set()
        self.ending = ""

    def read(self, barline: Any) -> None:
        side = barline.get("location", "right")
        repeat, ending = barline.find("repeat"), barline.find("ending")
        if repeat is not None:
            self.repeats.add(repeat.get("direction", ""))
        if ending is not None and ending.get("type") == "start":
            self.ending = (ending.get("number") or "").replace(" ", "") or "?"
        style = _STYLES.get((barline.findtext("bar-style") or "").strip())
        if style:
            self.styles[side] = style

    def right(self) -> str:
        return ":|" if "backward" in self.repeats else self.styles.get("right", "|")

    def left(self) -> str:
        return "|:" if "forward" in self.repeats else self.styles.get("left", "")

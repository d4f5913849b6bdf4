"""The page: markup, style, scripts, engine and students in one file without network access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from picogen_core.errors import ConfigError
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.html.glyphs import read_glyphs
from picogen_core.html.scripts import engine, read_script
from picogen_core.html.student import PageStudent
from picogen_core.html.weights import LEAST_BITS, Packed, pack_integers, pack_to_fit
from picogen_core.report.build import read_sound
from picogen_core.report.html import data_block, hashed

FILE = "index.html"
MOST = {1: 4_000_000, 2: 7_000_000}
"""Size limit of a page in bytes, by its number of students."""

Weights = Literal["float", "int8"]

_PAGE_SCRIPTS = [
    f"{name}.js"
    for name in ("words", "signs", "notes", "marks", "layout", "score", "midi", "view", "page")
]
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cellipse "
    "cx='5.5' cy='12' rx='3.6' ry='2.6' fill='%2322605b' transform='rotate(-20 5.5 12)'/%3E%3Cpath "
    "d='M8.6 11.5V2l4 3' stroke='%2322605b' stroke-width='1.4' fill='none'/%3E%3C/svg%3E"
)
_MARKUP = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="description" content="A small student writes sheet music in the browser.">
<link rel="icon" href="{icon}">
<title>PiCo-Gen</title><style>{style}</style></head><body>
{body}{facts}
<script type="text/plain" id="engine">{engine}</script>
{weights}
<script>{script}</script>
</body></html>
"""


@dataclass(frozen=True)
class Page:
    """A page; `packed` are the weights of each student in the page's format."""

    data: bytes
    students: tuple[PageStudent, ...]
    packed: tuple[Packed, ...]

    def facts(self) -> dict[str, Any]:
        """Return facts of the page, as JSON data."""
        return {
            "bytes": len(self.data),
            "students": [
                {
                    "name": one.name,
                    "parameters": one.parameters,
                    "bits": packed.facts["bits"] or 8,
                    "exact": packed.keeps(one.arrays),
                }
                for one, packed in zip(self.students, self.packed, strict=True)
            ],
        }


def build_page(students: Sequence[PageStudent], weights: Weights = "float") -> Page:
    """Return the page of one or two students. Weights get as many bits as fit.

    Raises:
        ConfigError: the weights do not fit.
    """
    if len(students) not in MOST:
        raise ConfigError(f"{len(students)} students: a page holds one or two.")
    frame = _fill(students, [""] * len(students), [{}] * len(students))
    left = MOST[len(students)] - len(frame) - 10_000 * len(students)
    packed: list[Packed] = []
    for student in students:
        packed.append(_pack(student, weights, left // (len(students) - len(packed))))
        left -= len(packed[-1].text)
    data = _fill(students, [one.text for one in packed], [one.facts for one in packed])
    return Page(data, tuple(students), tuple(packed))


def _pack(student: PageStudent, weights: Weights, room: int) -> Packed:
    found = (
        pack_integers(student.arrays) if weights == "int8" else pack_to_fit(student.arrays, room)
    )
    if found is not None and len(found.text) <= room:
        return found
    other = "" if weights == "int8" else ", or try --weights int8"
    least = "8 bits" if weights == "int8" else f"{LEAST_BITS + 9} bits each"
    raise ConfigError(
        f"{student.name}: {student.parameters:,} weights of {least} do not fit into a page, which "
        f"has room for {room:,} characters. Take a smaller student{other}."
    )


def _fill(
    students: Sequence[PageStudent], texts: Sequence[str], weights: Sequence[dict[str, Any]]
) -> bytes:
    from lxml import etree

    parts = tuple(script.source for student in students for script in student.scripts)
    names = sorted({script.name for student in students for script in student.scripts})
    whole = engine(parts) + f"\nconst $parts={{{','.join(names)}}};\n"
    whole += "".join(map(read_script, ("weights.js", "bars.js", "worker.js")))
    script = "\n".join([read_sound(), *(read_script(f"page/{name}") for name in _PAGE_SCRIPTS)])
    style = read_script("page/page.css")
    given = [
        {**one.facts, "parameters": one.parameters, "weights": how}
        for one, how in zip(students, weights, strict=True)
    ]
    block = data_block(
        {
            "students": given,
            "glyphs": read_glyphs(),
            "sampling": SamplingOptions().model_dump(mode="json"),
        }
    )
    block.set("id", "facts")
    policy = (
        f"default-src 'none'; script-src {hashed(script)}; style-src {hashed(style)}; "
        "worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'"
    )
    for text in (whole, script, style, *texts):
        assert "</script" not in text and "<!--" not in text
    made = _MARKUP.format(
        policy=policy, icon=_ICON, style=style, body=read_script("page/body.html"),
        facts=etree.tostring(block, encoding="unicode", method="html"), engine=whole,
        weights="\n".join(
            f'<script type="text/plain" id="weights-{i}">{text}</script>'
            for i, text in enumerate(texts)
        ),
        script=script,
    )  # fmt: skip
    return made.encode()

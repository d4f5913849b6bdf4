"""`python -m picogen_core.score.worker`: answers conversions on stdin with results on stdout.

One JSON object per line, `{"op": …, "text": …}` with the operations of `Converter.request`, gets
the reply `{"ok": [part, …], "warnings": […]}` or `{"error": reason}`.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Mapping
from typing import Any

from picogen_core.errors import PicogenError
from picogen_core.runtime.sandbox import Reply, in_fork, serve
from picogen_core.score.formats import FORMATS
from picogen_core.score.limits import ConversionError, limits_for


def _writer(op: str) -> str:
    return FORMATS[op].writer if op in FORMATS else ""


class Libraries:
    """The converters, each imported at its first use."""

    def __init__(self) -> None:
        self._toolkit: Any = None

    def load(self, op: str) -> None:
        """Import before the fork what `op` needs, so that every fork has it."""
        if op == "musicxml":
            from picogen_core.score.musicxml import load_abc2xml

            load_abc2xml()
        elif op == "abc":
            from picogen_core.score.files.xml import load_xml2abc

            load_xml2abc()
        elif _writer(op):
            importlib.import_module(_writer(op).partition(":")[0])
        elif op in ("svg", "midi", "midi+svg", "midi+lights+svg") and self._toolkit is None:
            from picogen_core.score.engrave import load_verovio

            self._toolkit = load_verovio()

    def run(self, op: str, text: str) -> Reply:
        """Do one conversion in this process."""
        if op == "musicxml":
            from picogen_core.score.musicxml import abc_to_musicxml

            xml, warnings = abc_to_musicxml(text)
            return {"ok": [xml], "warnings": warnings}
        if op == "abc":
            from picogen_core.score.files.xml import musicxml_to_abc

            made = musicxml_to_abc(text.encode(), sounding=False)
            return {"ok": [made.abc], "warnings": list(made.remarks())}
        if _writer(op):
            module, _, name = _writer(op).partition(":")
            write = getattr(importlib.import_module(module), name)
            binary = FORMATS[FORMATS[op].made_of].binary
            made = write(base64.b64decode(text) if binary else text)
            return {"ok": [base64.b64encode(made).decode()], "warnings": []}
        from picogen_core.score.engrave import engrave, midi_base64, note_lights, svg_pages

        engrave(self._toolkit, text)
        midi = [] if op == "svg" else [midi_base64(self._toolkit)]
        lights = [json.dumps(note_lights(self._toolkit))] if "lights" in op else []
        pages = [] if op == "midi" else svg_pages(self._toolkit, text)
        return {"ok": [*midi, *lights, *pages], "warnings": []}


def convert(libraries: Libraries, op: str, text: str) -> Reply:
    """`Libraries.run` with its failures as replies."""
    try:
        return libraries.run(op, text)
    except PicogenError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "it needs more memory than a conversion may have"}
    except RecursionError:
        return {"error": "it is nested too deep"}


def main() -> None:
    """Answer requests until stdin closes."""
    libraries = Libraries()

    def answer(request: Mapping[str, Any]) -> Reply:
        op, text = str(request["op"]), str(request["text"])
        try:
            libraries.load(op)
        except ConversionError as error:
            return {"error": str(error)}
        return in_fork(lambda: convert(libraries, op, text), limits_for(op, len(text)))

    serve(answer)


if __name__ == "__main__":
    main()

"""`python -m picogen_core.score.worker`: answers conversions on stdin with results on stdout.

One JSON object a line: `{"op": …, "text": …}`, the operations as in `helper.Op`, is answered by
`{"ok": [part, …], "warnings": […]}` or `{"error": reason}`. The libraries are imported once; each
conversion runs in a fork of its own under CPU and memory limits. Where there is no fork it runs
here, and the other side ends the process when time is up.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from picogen_core.score.limits import (
    CPU_SECONDS,
    WALL_SECONDS,
    ConversionError,
    extra_seconds,
    limit_process,
)

Reply = dict[str, Any]
_CHUNK = 1 << 20


class Libraries:
    """The converters, each imported when it is first asked for."""

    def __init__(self) -> None:
        self._toolkit: Any = None

    def load(self, op: str) -> None:
        """Import before the fork what `op` needs, so that every fork has it."""
        if op == "musicxml":
            from picogen_core.score.musicxml import load_abc2xml

            load_abc2xml()
        elif op == "wav":
            importlib.import_module("picogen_core.score.synth")
        elif op in ("svg", "midi", "midi+svg") and self._toolkit is None:
            from picogen_core.score.engrave import load_verovio

            self._toolkit = load_verovio()

    def run(self, op: str, text: str) -> Reply:
        """Do one conversion in this process."""
        if op == "musicxml":
            from picogen_core.score.musicxml import abc_to_musicxml

            xml, warnings = abc_to_musicxml(text)
            return {"ok": [xml], "warnings": warnings}
        if op == "png":
            from picogen_core.score.raster import png_page

            return {"ok": [base64.b64encode(png_page(text)).decode()], "warnings": []}
        if op == "wav":
            from picogen_core.score.synth import midi_to_wav

            wav = midi_to_wav(base64.b64decode(text))
            return {"ok": [base64.b64encode(wav).decode()], "warnings": []}
        from picogen_core.score.engrave import engrave, midi_base64, svg_pages

        engrave(self._toolkit, text)
        midi = [] if op == "svg" else [midi_base64(self._toolkit)]
        pages = [] if op == "midi" else svg_pages(self._toolkit, text)
        return {"ok": [*midi, *pages], "warnings": []}


def convert(libraries: Libraries, op: str, text: str) -> Reply:
    """`Libraries.run` with its failures as replies."""
    try:
        return libraries.run(op, text)
    except ConversionError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "it needs more memory than a conversion may have"}
    except RecursionError:
        return {"error": "it is nested too deep"}


def convert_in_fork(libraries: Libraries, op: str, text: str) -> Reply:
    """One conversion in a fork with limits; whatever happens to it, this process goes on."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_and_exit(libraries, op, text, reader, writer)
    os.close(writer)
    extra = extra_seconds(op, len(text))
    answer, end = bytearray(), time.monotonic() + WALL_SECONDS + 2 * extra
    in_time = True
    while in_time:
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        in_time = bool(ready)
        chunk = os.read(reader, _CHUNK) if ready else b""
        answer += chunk
        if in_time and not chunk:
            break
    os.close(reader)
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not in_time:
        return {"error": f"it took longer than {WALL_SECONDS + 2 * extra} s"}
    with contextlib.suppress(ValueError):
        return dict(json.loads(answer))
    return {"error": _reason(status, CPU_SECONDS + extra)}


def _answer_and_exit(libraries: Libraries, op: str, text: str, reader: int, writer: int) -> None:
    """The fork's whole life; it never returns into the worker's loop."""
    try:
        os.close(reader)
        limit_process(extra_seconds(op, len(text)))
        reply = json.dumps(convert(libraries, op, text)).encode()
        with open(writer, "wb") as pipe:
            pipe.write(reply)
    finally:
        os._exit(0)


def _reason(status: int, seconds: int) -> str:
    if not os.WIFSIGNALED(status):
        return "the converter ended without an answer"
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU or number == signal.SIGKILL:
        return f"it needs more than {seconds} s of CPU time"
    return f"the converter crashed ({signal.Signals(number).name})"


def main() -> None:
    """Read requests until stdin closes. Nobody else may write where the answers go."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    libraries = Libraries()
    forks = hasattr(os, "fork")
    for line in sys.stdin.buffer:
        request = json.loads(line)
        op, text = str(request["op"]), str(request["text"])
        try:
            libraries.load(op)
        except ConversionError as error:
            reply: Reply = {"error": str(error)}
        else:
            reply = (convert_in_fork if forks else convert)(libraries, op, text)
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

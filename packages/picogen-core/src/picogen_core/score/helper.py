"""The parent's side of the conversion workers: start, ask, time out, start again."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from picogen_core.score.limits import (
    MAX_TEXT,
    MAX_XML,
    WALL_SECONDS,
    ConversionError,
    extra_seconds,
)

# midi+svg: the MIDI first, then the pages; png is of an SVG page, wav of a MIDI file in base64.
Op = Literal["musicxml", "svg", "midi", "midi+svg", "png", "wav"]
_START_SECONDS = 30  # importing the libraries on a busy machine


@dataclass(frozen=True)
class Answer:
    """The parts of a result (one, or one a page) and what the converter warned of."""

    parts: tuple[str, ...]
    warnings: tuple[str, ...]


class Helper:
    """One worker process. Not for two threads at once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs."""
        return self._process.pid if self._process else None

    def ask(self, op: Op, text: str) -> Answer:
        """One conversion; a worker that died is replaced and asked once more.

        Raises:
            ConversionError: the reason, in one line.
        """
        for attempt in range(2):
            fresh = self._process is None
            request = json.dumps({"op": op, "text": text}).encode() + b"\n"
            seconds = WALL_SECONDS + 2 * extra_seconds(op, len(text))
            line, expired = self._exchange(request, seconds + _START_SECONDS)
            if line:
                reply = json.loads(line)
                if "error" in reply:
                    raise ConversionError(str(reply["error"]))
                return Answer(tuple(reply["ok"]), tuple(reply["warnings"]))
            self.close()
            if expired:
                raise ConversionError(f"it took longer than {seconds} s")
            if fresh or attempt:
                break
        raise ConversionError("the converter crashed")

    def _exchange(self, request: bytes, seconds: float) -> tuple[bytes, bool]:
        """(the answer's line, or nothing if the worker died; whether time ran out)."""
        process = self._process = self._process or _start()
        assert process.stdin and process.stdout
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(seconds, expire)
        timer.start()
        line = b""
        with contextlib.suppress(OSError):
            process.stdin.write(request)
            process.stdin.flush()
            line = process.stdout.readline()
        timer.cancel()
        return (line if line.endswith(b"\n") else b""), expired.is_set()

    def close(self) -> None:
        """End the worker."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.kill()
        process.wait()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "picogen_core.score.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUTF8": "1"},
    )


class Converter:
    """ABC to MusicXML, that to SVG and MIDI, SVG to PNG and MIDI to WAV, in worker processes.

    Threads may share it; up to `workers` conversions run at once. Workers start when needed:

        with Converter() as converter:
            xml = converter.to_musicxml(abc)
    """

    def __init__(self, workers: int = 1) -> None:
        self._all = [Helper() for _ in range(workers)]
        self._free: queue.LifoQueue[Helper] = queue.LifoQueue()
        for helper in self._all:
            self._free.put(helper)

    def __enter__(self) -> Converter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers."""
        for helper in self._all:
            helper.close()

    def ask(self, op: Op, text: str) -> Answer:
        """Any conversion, with the converter's warnings.

        Raises:
            ConversionError: the reason, in one line.
        """
        most = MAX_TEXT if op == "musicxml" else MAX_XML
        if len(text) > most:
            raise ConversionError(f"the text has {len(text):,} characters; at most {most:,}")
        helper = self._free.get()
        try:
            return helper.ask(op, text)
        finally:
            self._free.put(helper)

    def to_musicxml(self, abc: str) -> bytes:
        """MusicXML of an ABC tune. Raises `ConversionError`."""
        return self.ask("musicxml", abc).parts[0].encode()

    def to_svg(self, musicxml: bytes) -> list[bytes]:
        """One SVG a page. Raises `ConversionError`."""
        return [page.encode() for page in self.ask("svg", musicxml.decode()).parts]

    def to_midi(self, musicxml: bytes) -> bytes:
        """A standard MIDI file. Raises `ConversionError`."""
        return base64.b64decode(self.ask("midi", musicxml.decode()).parts[0])

    def to_png(self, svg: bytes) -> bytes:
        """A page as a picture. Raises `ConversionError`."""
        return base64.b64decode(self.ask("png", svg.decode()).parts[0])

    def to_wav(self, midi: bytes) -> bytes:
        """A MIDI file as sound. Raises `ConversionError`."""
        return base64.b64decode(self.ask("wav", base64.b64encode(midi).decode()).parts[0])

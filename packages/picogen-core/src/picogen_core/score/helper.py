"""Conversions of untrusted scores, done by worker processes."""

from __future__ import annotations

import base64
import queue
from dataclasses import dataclass

from picogen_core.errors import PassingFault
from picogen_core.runtime.closing import Closing
from picogen_core.runtime.sandbox import Worker
from picogen_core.score.formats import FORMATS
from picogen_core.score.limits import MAX_TEXT, MAX_XML, ConversionError, limits_for


@dataclass(frozen=True)
class Answer:
    """The parts of a result (one, or one a page) and what the converter warned of."""

    parts: tuple[str, ...]
    warnings: tuple[str, ...]


class Helper(Worker):
    """One worker process that converts. Not for two threads at once."""

    def __init__(self) -> None:
        super().__init__("picogen_core.score.worker")

    def convert(self, op: str, text: str) -> Answer:
        """One conversion.

        Raises:
            ConversionError: the reason, in one line.
            PassingFault: a fault of the machine, twice.
        """
        seconds = limits_for(op, len(text)).wall_seconds
        try:
            reply = self.request({"op": op, "text": text}, seconds)
        except TimeoutError:
            raise PassingFault(f"the converter stood still for {seconds} s. Try again") from None
        except ChildProcessError:
            raise PassingFault("the converter was killed. Try again") from None
        if "error" in reply:
            kind = PassingFault if reply.get("passing") else ConversionError
            raise kind(str(reply["error"]))
        return Answer(tuple(reply["ok"]), tuple(reply["warnings"]))


class Converter(Closing):
    """ABC to MusicXML, that to SVG and MIDI, and what writers make of those, in worker processes.

    Threads may share it; up to `workers` conversions run at once. Workers start when needed:

        with Converter() as converter:
            xml = converter.to_musicxml(abc)
    """

    def __init__(self, workers: int = 1) -> None:
        self._all = [Helper() for _ in range(workers)]
        self._free: queue.LifoQueue[Helper] = queue.LifoQueue()
        for helper in self._all:
            self._free.put(helper)

    def close(self) -> None:
        """End all workers."""
        for helper in self._all:
            helper.close()

    def request(self, op: str, text: str) -> Answer:
        """Any conversion, with the converter's warnings.

        op:   a format, made of its `made_of` (in base64 where that is binary); or `midi+svg`: the
              MIDI first, then the pages; or `midi+lights+svg`: between them, as JSON, when each
              note of the pages sounds.

        Raises:
            ConversionError: the reason, in one line.
        """
        most = MAX_TEXT if op == "musicxml" else MAX_XML
        if len(text) > most:
            raise ConversionError(f"the text has {len(text):,} characters; at most {most:,}")
        helper = self._free.get()
        try:
            return helper.convert(op, text)
        finally:
            self._free.put(helper)

    def to_musicxml(self, abc: str) -> bytes:
        """MusicXML of an ABC tune. Raises `ConversionError`."""
        return self.request("musicxml", abc).parts[0].encode()

    def to_svg(self, musicxml: bytes) -> list[bytes]:
        """One SVG a page. Raises `ConversionError`."""
        return [page.encode() for page in self.request("svg", musicxml.decode()).parts]

    def to_midi(self, musicxml: bytes) -> bytes:
        """A standard MIDI file. Raises `ConversionError`."""
        return base64.b64decode(self.request("midi", musicxml.decode()).parts[0])

    def write(self, target: str, part: bytes) -> bytes:
        """A file, or one page of it, by the writer of that format. Raises `ConversionError`."""
        binary = FORMATS[FORMATS[target].made_of].binary
        text = base64.b64encode(part).decode() if binary else part.decode()
        return base64.b64decode(self.request(target, text).parts[0])

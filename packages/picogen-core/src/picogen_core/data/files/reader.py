"""Score files as ABC, asked of a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picogen_core.data.files.limits import LIMITS
from picogen_core.errors import BadInput
from picogen_core.sandbox import Worker


@dataclass(frozen=True)
class ReadFile:
    """A file as ABC; of a MIDI file also how many notes it has and how many the grid moved."""

    abc: str
    notes: int | None = None
    moved: int | None = None


class FileReader(Worker):
    """One worker process, started with the first file. Not for two threads at once.

    with FileReader() as reader:
        abc = reader.read(Path("bwv66.6.mxl")).abc
    """

    def __init__(self) -> None:
        super().__init__("picogen_core.data.files.worker")

    def read(self, path: Path) -> ReadFile:
        """One file.

        Raises:
            BadInput: the reason, in one line.
        """
        try:
            reply = self.ask({"path": str(path.resolve())}, LIMITS.wall_seconds)
        except (TimeoutError, ChildProcessError):
            raise BadInput("the converter crashed or took too long") from None
        if "error" in reply:
            raise BadInput(str(reply["error"]))
        return ReadFile(reply["abc"], reply.get("notes"), reply.get("moved"))

"""Score files as ABC, read by a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picogen_core.errors import BadInput, PassingFault
from picogen_core.runtime.sandbox import Worker
from picogen_core.score.limits import STILL_SECONDS


@dataclass(frozen=True)
class ReadFile:
    """A file as ABC.

    notes, moved, lost: counts of a MIDI file: its notes, and those that the grid moved or lost.
    remarks:            on the reading, for the user.
    left:               the first bar whose notes are not those of the file, or "".
    """

    abc: str
    notes: int | None = None
    moved: int = 0
    lost: int = 0
    remarks: tuple[str, ...] = ()
    left: str = ""


class FileReader(Worker):
    """One worker process, started with the first file. It is not thread-safe.

    with FileReader() as reader:
        abc = reader.read(Path("bwv66.6.mxl")).abc
    """

    def __init__(self) -> None:
        super().__init__("picogen_core.score.files.worker")

    def read(self, path: Path) -> ReadFile:
        """Return one file as ABC.

        Raises:
            BadInput: the reason, in one line.
            PassingFault: a fault of the machine, twice.
        """
        try:
            reply = self.request({"path": str(path.resolve())}, STILL_SECONDS)
        except (TimeoutError, ChildProcessError):
            raise PassingFault("the converter was killed or stood still. Try again") from None
        if "error" in reply:
            raise (PassingFault if reply.get("passing") else BadInput)(str(reply["error"]))
        counts = {key: reply[key] for key in ("notes", "moved", "lost") if key in reply}
        remarks = tuple(reply.get("remarks", ()))
        return ReadFile(reply["abc"], **counts, remarks=remarks, left=reply.get("left", ""))

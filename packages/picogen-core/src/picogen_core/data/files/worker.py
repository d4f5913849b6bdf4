"""`python -m picogen_core.data.files.worker`: reads score files named on stdin into ABC on stdout.

One JSON object a line: `{"path": …}` is answered by `{"abc": …, "notes": n, "moved": m}` (the
last two of a MIDI file) or `{"error": reason}`. Each file is read in a fork of its own under CPU
and memory limits. Where there is no fork it is read here, and the other side ends the process
when time is up.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from picogen_core.data.files.limits import CPU_SECONDS, MAX_FILE, WALL_SECONDS, limit_process
from picogen_core.errors import BadInput

Reply = dict[str, Any]
_CHUNK = 1 << 20


def load(suffix: str) -> None:
    """Import before the fork what a suffix needs, so that every fork has it."""
    from picogen_core.data.files.xml import load_xml2abc

    load_xml2abc()
    if suffix in (".krn", ".mid", ".midi"):
        from picogen_core.data.files.music21_files import load_music21

        load_music21()


def read_file(path: Path) -> Reply:
    """The file as ABC; its failures are replies."""
    from picogen_core.data.files.xml import musicxml_to_abc

    try:
        if path.stat().st_size > MAX_FILE:
            return {"error": f"larger than {MAX_FILE >> 20} MB"}
        suffix = path.suffix.lower()
        if suffix == ".krn":
            from picogen_core.data.files.music21_files import kern_to_musicxml

            return {"abc": musicxml_to_abc(kern_to_musicxml(path))}
        if suffix in (".mid", ".midi"):
            from picogen_core.data.files.music21_files import midi_to_musicxml

            xml, count = midi_to_musicxml(path)
            return {"abc": musicxml_to_abc(xml), "notes": count.notes, "moved": count.moved}
        return {"abc": musicxml_to_abc(path.read_bytes())}
    except (BadInput, OSError) as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "it needs more memory than a file may have"}
    except RecursionError:
        return {"error": "it is nested too deep"}


def read_in_fork(path: Path) -> Reply:
    """One file in a fork with limits; whatever happens to it, this process goes on."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            limit_process()
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(json.dumps(read_file(path)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    answer, end = bytearray(), time.monotonic() + WALL_SECONDS
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
        return {"error": f"it took longer than {WALL_SECONDS} s"}
    with contextlib.suppress(ValueError):
        return dict(json.loads(answer))
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return {"error": f"it needs more than {CPU_SECONDS} s of CPU time"}
    return {"error": "the converter crashed"}


def main() -> None:
    """Read requests until stdin closes. Nobody else may write where the answers go."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    read = read_in_fork if hasattr(os, "fork") else read_file
    for line in sys.stdin.buffer:
        path = Path(json.loads(line)["path"])
        load(path.suffix.lower())
        answers.write(json.dumps(read(path)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

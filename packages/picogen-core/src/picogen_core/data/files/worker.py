"""`python -m picogen_core.data.files.worker`: reads score files named on stdin into ABC on stdout.

One JSON object a line: `{"path": …}` is answered by `{"abc": …, "notes": n, "moved": m}` (the
last two of a MIDI file) or `{"error": reason}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picogen_core.data.files.limits import LIMITS, MAX_FILE
from picogen_core.errors import BadInput
from picogen_core.sandbox import Reply, in_fork, serve


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


def answer(request: Mapping[str, Any]) -> Reply:
    """A request's file, read in a fork."""
    path = Path(request["path"])
    load(path.suffix.lower())
    return in_fork(lambda: read_file(path), LIMITS)


if __name__ == "__main__":
    serve(answer)

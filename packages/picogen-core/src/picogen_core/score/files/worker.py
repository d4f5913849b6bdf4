"""`python -m picogen_core.score.files.worker`: reads score files named on stdin into ABC on stdout.

One JSON object per line. The reply to `{"path": …}` is `{"abc": …, "remarks": […], "left": reason}`
(with the counts of a MIDI file) or `{"error": reason}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picogen_core.errors import BadInput
from picogen_core.runtime.sandbox import Reply, in_fork, serve
from picogen_core.score import file as score_file
from picogen_core.score.files.limits import limits_of


def read_file(path: Path) -> Reply:
    """Return the reply with a file as ABC, or with its error."""
    try:
        data = score_file.read_file(path)
        if score_file.kind_of(data) == "midi":
            from picogen_core.score.files.midi import midi_to_abc

            song = midi_to_abc(data)
            counts = {"notes": song.notes, "moved": song.moved, "lost": song.lost}
            return {"abc": song.abc, "remarks": song.remarks(), **counts}
        scores = score_file.read_scores(data)
        if scores.kind != "musicxml":
            return {"abc": scores.scores[0], "remarks": scores.remarks}
        from picogen_core.score.files.xml import musicxml_to_abc

        made = musicxml_to_abc(bytes(scores.scores[0]))  # type: ignore[arg-type]
        return {
            "abc": made.abc,
            "remarks": made.remarks(),
            "left": str(made.left[0]) if made.left else "",
        }
    except (BadInput, OSError) as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "it needs more memory than a file may have"}
    except RecursionError:
        return {"error": "it is nested too deep"}


def answer(request: Mapping[str, Any]) -> Reply:
    """Return the reply to a request, whose file is read in a fork."""
    from picogen_core.score.files.xml import load_xml2abc

    load_xml2abc()  # before the fork, so that every fork has it
    path = Path(request["path"])
    return in_fork(lambda: read_file(path), limits_of(path))


if __name__ == "__main__":
    serve(answer)

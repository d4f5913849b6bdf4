"""From a draft to a score in a file: counters out, titles on, repaired, with a JSON beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picogen_core.abc.patches import split_body, strip_marks
from picogen_core.abc.repair import repair
from picogen_core.errors import PicogenError
from picogen_core.files import write_atomic
from picogen_core.generation.piece import Draft


@dataclass(frozen=True)
class Score:
    """A written piece. `abc` is "" if nothing could be made of the draft; `reason` says why."""

    name: str
    abc: str
    record: dict[str, Any]
    reason: str | None = None


def finish(draft: Draft, titles: tuple[str, ...], settings: dict[str, Any]) -> Score:
    """Titles, header and body as a standard ABC tune. A cut-off last bar is dropped by repair."""
    name = f"{draft.number:04d}"
    raw = strip_marks(draft.text)
    text = raw if draft.complete or raw.endswith("\n") else raw[: raw.rfind("\n") + 1]
    record: dict[str, Any] = {
        "number": draft.number,
        "complete": draft.complete,
        "stopped": draft.stopped,
        "patches": draft.patches,
        **settings,
    }
    try:
        repaired = repair(text)
    except PicogenError as error:
        return Score(name, "", {**record, "raw": draft.text, "error": str(error)}, str(error))
    lines = list(titles)
    if not any(line.startswith("X:") for line in lines):
        lines.insert(0, "X:1")
    if not any(line.startswith("T:") for line in lines):
        lines.insert(1, f"T:PiCo-Gen {draft.number}")
    header, body = split_body(repaired.text)
    record |= {
        "repairs": [vars_of(step) for step in repaired.repairs],
        "metadata": header.splitlines(),
        "body": body.splitlines(),
        "raw": draft.text,
    }
    return Score(name, "\n".join(lines) + "\n" + header + body, record)


def vars_of(step: Any) -> dict[str, Any]:
    """A repair as JSON."""
    return {"name": step.name, "count": step.count, "detail": step.detail}


def write_score(folder: Path, score: Score) -> None:
    """`0001.abc` and `0001.json`; a piece of which nothing could be made leaves only its JSON."""
    for old in [*folder.glob(f"{score.name}.*"), *folder.glob(f"{score.name}-*.svg")]:
        old.unlink()  # nothing of an older piece of this number stays beside the new one
    if score.abc:
        write_atomic(folder / f"{score.name}.abc", score.abc.encode())
    write_atomic(
        folder / f"{score.name}.json", (json.dumps(score.record, indent=1) + "\n").encode()
    )

"""From a draft to a file: without counters, with titles, repaired, and a JSON beside it."""

from __future__ import annotations

import glob
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import split_body
from picogen_core.abc.repair import MAX_TEXT, repair
from picogen_core.errors import PicogenError
from picogen_core.generation.decoding.piece import Draft
from picogen_core.runtime.files import written_aside
from picogen_core.runtime.reading import read_json
from picogen_core.score.formats import BESIDE, FORMATS


@dataclass(frozen=True)
class Score:
    """A finished piece.

    abc:    "" if the draft cannot be repaired.
    record: its JSON; empty if there was no draft.
    reason: why `abc` or `record` is empty.
    new:    False if it lay in the folder before.
    """

    name: str
    abc: str
    record: dict[str, Any]
    reason: str | None = None
    new: bool = True


def finish(
    draft: Draft, titles: tuple[str, ...], settings: dict[str, Any], name: str | None = None
) -> Score:
    """Return titles, header and body as a standard ABC tune, without a last bar that is cut off."""
    raw = strip_counters(draft.text)
    whole, stopped = draft.complete, draft.stopped
    if len(raw) > MAX_TEXT:
        raw, whole = raw[:MAX_TEXT], False
        stopped = f"a score has at most {MAX_TEXT:,} characters; the rest is in raw alone"
    text = raw if whole or raw.endswith("\n") else raw[: raw.rfind("\n") + 1]
    record: dict[str, Any] = {
        "number": draft.number,
        "complete": whole,
        "stopped": stopped,
        "patches": draft.patches,
        **settings,
    }
    if draft.nll is not None and draft.characters:
        record["nll"] = {"nats": draft.nll, "characters": draft.characters}
    title = name or str(draft.number)
    name = name or f"{draft.number:04d}"
    try:
        repaired = repair(text)
    except PicogenError as error:
        return Score(name, "", {**record, "raw": draft.text, "error": str(error)}, str(error))
    lines = list(titles)
    if not any(line.startswith("X:") for line in lines):
        lines.insert(0, "X:1")
    if not any(line.startswith("T:") for line in lines):
        lines.insert(1, f"T:PiCo-Gen {title}")
    header, body = split_body(repaired.text)
    record |= {
        "bars_written": len(body.splitlines()),
        "repairs": [vars_of(step) for step in repaired.repairs],
        "metadata": header.splitlines(),
        "body": body.splitlines(),
        "raw": draft.text,
    }
    return Score(name, "\n".join(lines) + "\n" + header + body, record)


def vars_of(step: Any) -> dict[str, Any]:
    """Return a repair as JSON."""
    return {"name": step.name, "count": step.count, "detail": step.detail}


def write_score(folder: Path, score: Score) -> None:
    """Write `0001.abc` and `0001.json`; a draft that cannot be repaired leaves only its JSON.

    An older piece of this name is removed with all its conversions once the new one is whole.

    Raises:
        BadInput: the folder cannot be written to; then the older piece is still there.
    """
    with written_aside(folder) as aside:
        if score.abc:
            (aside / f"{score.name}.abc").write_bytes(score.abc.encode())
        record = json.dumps(score.record, indent=1) + "\n"
        (aside / f"{score.name}.json").write_bytes(record.encode())
        _clear(folder, score.name)
        if not score.abc:
            (folder / f"{score.name}.abc").unlink(missing_ok=True)


def _clear(folder: Path, name: str) -> None:
    """Remove conversions of an older piece. `name-2.svg` may be the first page of another piece."""
    beside = [FORMATS[target] for target in BESIDE]
    paged = "|".join(re.escape(made.writes) for made in beside if made.paged)
    page = re.compile(rf"{re.escape(name)}-\d+(?:{paged})")
    old = [file for made in beside if (file := folder / f"{name}{made.writes}").exists()]
    if old:
        pages = (
            file for file in folder.glob(f"{glob.escape(name)}-*") if page.fullmatch(file.name)
        )
        old += [file for file in pages if not file.with_suffix(".json").exists()]
    for file in old:
        file.unlink()


def read_record(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON of a finished piece; {} if none can be read."""
    try:
        record = read_json(folder / f"{name}.json")
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}

"""Tags in a prompt, checked against those that a checkpoint was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from picogen_core.data.tags import Triple, known_tags
from picogen_core.generation.request.prompt import TAGS_END
from picogen_core.model.config import MANIFEST
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.reading import read_json

_SHOWN = 8


def trained_tags(folder: Path | None) -> list[Triple]:
    """The triples that a checkpoint was trained on; empty where its manifest does not say, as of a
    `.pth`, which has none."""
    try:
        manifest = read_json(folder / MANIFEST) if folder else {}
    except (OSError, ValueError):
        return []
    known = known_tags(manifest) if isinstance(manifest, dict) else []
    return [Triple(*(str(row[name]) for name in Triple._fields)) for row in known]


def tags_in(prompt: str) -> list[str]:
    """The tags at the head of a placed prompt."""
    tags: list[str] = []
    for line in prompt.splitlines():
        if not line.startswith("%") or line.startswith("%%") or line == TAGS_END:
            break
        tags.append(line[1:].strip())
    return tags


def doubts(prompt: str, known: Sequence[Triple]) -> list[str]:
    """What is doubtful about the tags of a prompt, a line each."""
    tags = tags_in(prompt)
    if not tags:
        return []
    if not known:
        return [
            f"%{tags[0]}: this checkpoint does not say which tags it was trained on; if on none, "
            "they mean nothing to it."
        ]
    told = [_doubt(tag, place, known) for place, tag in enumerate(tags)]
    found = [line for line in told if line]
    if not found and not any(triple[: len(tags)] == tuple(tags) for triple in known):
        listed = ", ".join(tags)
        return [f"{listed}: the checkpoint knows each of these tags, but not together."]
    return found


def _doubt(tag: str, place: int, known: Sequence[Triple]) -> str:
    if place >= len(Triple._fields):
        return f"%{tag}: a piece has three tags, {', '.join(Triple._fields)}."
    names = sorted({triple[place] for triple in known})
    if tag in names:
        return ""
    more = ", …" if len(names) > _SHOWN else ""
    return (
        f"%{tag}: no {Triple._fields[place]} that the checkpoint was trained on."
        f"{did_you_mean(tag, names)} Known: {', '.join(names[:_SHOWN])}{more}."
    )

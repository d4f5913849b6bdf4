"""Tags in a prompt, checked against those that a checkpoint was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from picogen_core.data.tags import Triple, known_tags
from picogen_core.generation.request.prompt import TAGS_END
from picogen_core.plugins.suggest import did_you_mean

_SHOWN = 8


def trained_tags(manifest: Mapping[str, Any]) -> list[Triple]:
    """Return the triples that a checkpoint was trained on; empty if its manifest has none."""
    return [Triple(*(str(row[name]) for name in Triple._fields)) for row in known_tags(manifest)]


def tags_in(prompt: str) -> list[str]:
    """Return the tags at the head of a placed prompt."""
    tags: list[str] = []
    for line in prompt.splitlines():
        if not line.startswith("%") or line.startswith("%%") or line == TAGS_END:
            break
        tags.append(line[1:].strip())
    return tags


def doubts(prompt: str, known: Sequence[Triple]) -> list[str]:
    """Return a line per doubtful tag of a prompt."""
    tags = tags_in(prompt)
    if not tags:
        return []
    if not known:
        return [
            f"%{tags[0]}: this checkpoint has no record of its training tags. Without tags in "
            "training, they have no effect."
        ]
    lines = [_doubt(tag, place, known) for place, tag in enumerate(tags)]
    found = [line for line in lines if line]
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

"""Defaults of commands: weights, data and the name of a run."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from picogen_core import BadInput
from picogen_core.data import FORMAT
from picogen_core.generation.request.options import SHIPPED as SHIPPED_WEIGHTS
from picogen_core.plugins.registry import registry
from picogen_core.runtime.cache import cache_dir
from picogen_core.runtime.locks import in_turn
from picogen_core.runtime.progress import Reporter

SHIPPED = SHIPPED_WEIGHTS.name
"""The weights of `generate` by default."""


@dataclass(frozen=True)
class DefaultData:
    """Music of music21, prepared once into the cache."""

    sources: tuple[str, ...]
    keys: str = "original"


DEFAULT_DATA = {
    "tunes": DefaultData(("music21:oneills", "music21:ryans", "music21:airds")),
    "chorales": DefaultData(("music21:bach",), keys="6"),
}
"""Names that `--data` accepts besides paths. An existing path takes precedence."""


def default_data(reporter: Reporter, name: str = "tunes") -> Path:
    """Return the folder of one of `DEFAULT_DATA`; prepare it first if it is not there."""
    from picogen_core.data.open_sources import open_sources
    from picogen_core.data.prepare import prepare

    wanted = DEFAULT_DATA[name]
    folder = cache_dir() / f"{name}-v{FORMAT}"
    if _is_whole(folder):
        return folder
    try:
        with in_turn(folder, reporter) as aside:
            if not _is_whole(folder):
                reporter.message(f"Preparing {', '.join(wanted.sources)} in {folder}.")
                pieces = open_sources(wanted.sources)
                prepare(pieces, aside, keys=wanted.keys, reporter=reporter)
                shutil.rmtree(folder, ignore_errors=True)
                aside.rename(folder)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}. Set PICOGEN_CACHE to another folder."
        ) from None
    return folder


def find_data(data: Path | tuple[Path, ...] | None, reporter: Reporter) -> Path | tuple[Path, ...]:
    """Return the folders or indices that `--data` means; None is `tunes`."""
    if not isinstance(data, tuple):
        return _find_one(data, reporter)
    return tuple(_find_one(one, reporter) for one in data) or _find_one(None, reporter)


def _find_one(data: Path | None, reporter: Reporter) -> Path:
    name = "tunes" if data is None else str(data)
    if data is None or (name in DEFAULT_DATA and not data.exists()):
        return default_data(reporter, name)
    return data


def _is_whole(folder: Path) -> bool:
    """Return whether the data is there, finished and undamaged."""
    from picogen_core.data.prepared.store import INDEX, read_dataset

    if not (folder / INDEX).is_file():
        return False
    try:
        return len(read_dataset(folder)) > 0
    except BadInput:
        return False


def dated_name(command: str, backbone: str) -> str:
    """Return a name such as `distill-rwkv-20261122-140709`."""
    return f"{command}-{backbone}-{time.strftime('%Y%m%d-%H%M%S')}"


def shipped_teacher() -> Path:
    """Return the folder of the shipped teacher. Raises `BadInput` if none is installed."""
    shipped = registry().weights().get("teacher")
    if shipped is None:
        raise BadInput(
            "no teacher is installed. Give --teacher-ckpt, or install picogen-backbones, which "
            "brings one."
        )
    return shipped.folder

"""What a command takes when it is told nothing: data and a name."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from picogen_core import BadInput
from picogen_core.cache import cache_dir
from picogen_core.locks import in_turn
from picogen_core.progress import Reporter

DEFAULT_SOURCES = ("music21:oneills", "music21:ryans", "music21:airds")
FORMAT = "v3"


def default_data(reporter: Reporter) -> Path:
    """O'Neill, Ryan and Aird from the installed music21, prepared once into the cache."""
    from picogen_core.data.prepare import prepare

    from picogen_cli.sources import open_sources

    folder = cache_dir() / f"tunes-{FORMAT}"
    if _is_whole(folder):
        return folder
    try:
        with in_turn(folder, reporter) as aside:
            if not _is_whole(folder):
                reporter.message(
                    f"No --data given: building the default set of tune books in {folder}."
                )
                prepare(open_sources(DEFAULT_SOURCES), aside, reporter=reporter)
                shutil.rmtree(folder, ignore_errors=True)
                aside.rename(folder)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}. Set PICOGEN_CACHE to another folder."
        ) from None
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether the data is there, finished and undamaged."""
    from picogen_core.data.store import INDEX, read_dataset

    if not (folder / INDEX).is_file():
        return False
    try:
        return len(read_dataset(folder)) > 0
    except BadInput:
        return False


def dated_name(command: str, backbone: str) -> str:
    """`distill-rwkv-20261122-1407`."""
    return f"{command}-{backbone}-{time.strftime('%Y%m%d-%H%M%S')}"


def shipped_teacher() -> Path:
    """The small NotaGen-format teacher inside this package; its card lies beside it."""
    return Path(__file__).parent / "teacher"

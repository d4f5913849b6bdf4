"""The folder of a run: checks, lock, and its files before the first step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from picogen_core.errors import BadInput
from picogen_core.model.checkpoint import settle
from picogen_core.runtime.files import clear_aside, write_atomic
from picogen_core.runtime.locks import LOCK, only_writer
from picogen_core.runtime.toml import dump_toml
from picogen_core.training.config import TrainConfig
from picogen_core.training.run.resume import last_checkpoint
from picogen_core.training.run.tracking import TRACKERS

Resume = Literal["never", "auto", "always"]


def claim(run_dir: Path, resume: Resume, force: bool) -> Path | None:
    """Return the checkpoint to resume from, or None for a new run; change nothing yet.

    Raises:
        BadInput: the folder is not empty and neither `resume` nor `force` is set, or there is no
            checkpoint and `resume` is `always`.
    """
    if run_dir.exists() and not run_dir.is_dir():
        raise BadInput(f"the run folder {run_dir} is a file. Choose another --exp-name.")
    if resume == "never":
        if run_dir.exists() and not force and any(f.name != LOCK for f in run_dir.iterdir()):
            raise BadInput(
                f"the run folder {run_dir} is not empty. Choose another --exp-name, resume with "
                "--resume auto, or replace it with --force."
            )
        return None
    folder = last_checkpoint(run_dir)
    if folder is None and resume == "always":
        raise BadInput(f"{run_dir}: no checkpoint to resume from. Start with --resume auto.")
    return folder


@contextmanager
def held(config: TrainConfig) -> Iterator[None]:
    """Lock the run's folder for the `with` block; remove it afterwards if it is empty.

    Raises:
        BadInput: another process trains there, or the folder cannot be made.
    """
    run_dir = config.run_dir
    if run_dir.exists() and not run_dir.is_dir():
        raise BadInput(f"the run folder {run_dir} is a file. Choose another --exp-name.")
    try:
        with only_writer(run_dir):
            try:
                yield
            finally:
                with suppress(OSError):
                    run_dir.rmdir()
    except OSError as error:
        if error.filename and Path(error.filename) in (run_dir, *run_dir.parents):
            raise BadInput(f"{run_dir} cannot be made: {error.strerror}.") from None
        raise


def prepare(config: TrainConfig, resumed: bool) -> None:
    """Make the folder and its config.toml.

    A new run removes the files of an older run, and no others. A resumed run cleans up after a
    kill.
    """
    run_dir = config.run_dir
    for name in ("last", "best"):
        settle(run_dir / name)
        if not resumed:
            shutil.rmtree(run_dir / name, ignore_errors=True)
    if not resumed:
        for name in ("samples", *TRACKERS):
            shutil.rmtree(run_dir / name, ignore_errors=True)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{run_dir} cannot be made: {error.strerror}.") from None
    clear_aside(run_dir)
    write_atomic(run_dir / "config.toml", dump_toml(config.model_dump(mode="json")).encode())

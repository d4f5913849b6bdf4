"""manifest.json of the run folder: settings, data, and versions of programs."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from picogen_core import __version__
from picogen_core.model.config import MANIFEST
from picogen_core.model.student import components
from picogen_core.plugins.registry import registry
from picogen_core.runtime.files import write_atomic
from picogen_core.runtime.reading import read_json
from picogen_core.training.config import TrainConfig, read_term
from picogen_core.training.processes import Processes
from picogen_core.training.setup import RunParts
from picogen_core.training.state import RunResult

GIT_SECONDS = 10


def write_manifest(
    config: TrainConfig, parts: RunParts, processes: Processes, step: int, resumed: bool
) -> None:
    """Write the manifest, with one row in `sessions` per start or resume."""
    path = config.run_dir / MANIFEST
    manifest = {
        "picogen": __version__,
        "components": {**components(parts.model.config), "losses": loss_components(config)},
        "parameters": parts.model.parameter_count(),
        "seed": config.seed,
        **parts.origin,
        "sessions": [*(_sessions(path) if resumed else []), session(processes, step)],
    }
    write_atomic(path, (json.dumps(manifest, indent=1) + "\n").encode())


def write_result(result: RunResult) -> None:
    """Add the score of the finished run to its manifest."""
    path = result.run_dir / MANIFEST
    found = {
        "bits_per_character": asdict(result.bits_per_character),
        "steps": result.steps,
        "characters": result.characters,
        "cpu_seconds": result.cpu_seconds,
    }
    manifest = {**read_json(path), "result": found}
    write_atomic(path, (json.dumps(manifest, indent=1) + "\n").encode())


def loss_components(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Return each loss's package, weight, schedule and options."""
    found = {}
    for name, table in config.loss.items():
        entry = registry().get("loss", name)
        term, own = read_term(name, table)
        found[name] = {
            "name": entry.name,
            "distribution": entry.distribution,
            "version": entry.version,
            **term.model_dump(),
            "config": entry.options(own).model_dump(mode="json"),
        }
    return found


def session(processes: Processes, step: int) -> dict[str, Any]:
    """Return a record of one start of the run, after `step` steps: time, machine, versions."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "step": step,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": str(processes.device),
        "processes": processes.count,
        "threads": torch.get_num_threads(),
        "git": {"here": git_state(Path.cwd()), "picogen": _own_git_state()},
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return `commit` and `dirty` (tracked files changed); None outside a repository.

    >>> git_state(Path("/")) is None
    True
    """
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _own_git_state() -> Mapping[str, Any] | None:
    """Return the state of PiCo-Gen's clone; None if it runs from site-packages."""
    file = Path(__file__)
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    return git_state(file.parent)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _sessions(path: Path) -> list[Any]:
    try:
        sessions = read_json(path)["sessions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return sessions if isinstance(sessions, list) else []

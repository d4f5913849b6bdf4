"""A checkpoint for a page: its parts in JavaScript, its weights, its training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.data.headers import known_headers
from picogen_core.errors import ConfigError
from picogen_core.generation.request.headers import field_choices
from picogen_core.model.config import ModelConfig
from picogen_core.model.files.hub import local_path
from picogen_core.model.locate import locate
from picogen_core.plugins.registry import registry
from picogen_core.plugins.specs import Script

_NOT_USED = ("projector.",)


@dataclass(frozen=True)
class PageStudent:
    """A student for a page: `arrays` are the tensors of generation, `facts` are JSON data."""

    name: str
    scripts: tuple[Script, Script]
    arrays: dict[str, NDArray[np.float32]]
    facts: dict[str, Any]

    @property
    def parameters(self) -> int:
        return sum(array.size for array in self.arrays.values())


def read_student(path: Path | str) -> PageStudent:
    """Return the student of a run or checkpoint folder, without loading torch.

    Raises:
        BadCheckpoint: there is no checkpoint, or it is damaged.
        ConfigError: one of its parts has no script.
    """
    path = local_path(path)
    checkpoint = locate(path)
    config = checkpoint.config
    scripts = check_parts(config, path)
    arrays = {
        name: array for name, array in checkpoint.arrays().items() if not name.startswith(_NOT_USED)
    }
    choices = field_choices(known_headers(checkpoint.manifest()))
    recurrent = registry().get("backbone", config.backbone).spec.recurrent
    facts = {
        "name": _name(path),
        "max_patches": config.max_patches,
        "recurrent": recurrent,
        "backbone": {"name": scripts[0].name, "sizes": dict(scripts[0].sizes)},
        "head": {"name": scripts[1].name, "sizes": dict(scripts[1].sizes)},
        "choices": [choices.units, choices.tempos, choices.meters, choices.keys],
    }
    return PageStudent(_name(path), scripts, arrays, facts)


def check_parts(config: ModelConfig, path: Path) -> tuple[Script, Script]:
    """Return the scripts of backbone and head. Raises `ConfigError` if one is missing."""
    made = []
    for kind in ("backbone", "head"):
        entry = registry().get(kind, getattr(config, kind))
        options = entry.options(getattr(config, f"{kind}_options"))
        if entry.spec.script is None:
            able = [one.name for one in registry().all(kind) if one.spec.script is not None]
            raise ConfigError(
                f"{path}: {kind} {entry.name!r} cannot run in a page. These can: {', '.join(able)}."
            )
        made.append(entry.spec.script(options, config.d_model))
    return made[0], made[1]


def _name(path: Path) -> str:
    """Return the name of a run, not of its best/ or last/."""
    path = path.resolve()
    return path.parent.name if path.name in ("best", "last") else path.name

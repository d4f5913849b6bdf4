"""Settings from files, flags and `--set`; later ones take precedence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picogen_core import BadInput, ConfigError
from picogen_core.plugins.options import parse_options
from picogen_core.plugins.registry import registry
from picogen_core.runtime.reading import parse_toml, read_text
from picogen_core.training.config import TrainConfig

UNASKED = Path("picogen.toml")
PRESETS = Path(__file__).parent / "presets"
NAMES = {"backbone": "rwkv", "head": "char-memory"}
"""The model that is trained by default."""
BUDGETS = ("epochs", "max_steps", "max_characters", "max_seconds", "max_cpu_seconds")
"""Limits of a run. Any of them replaces the limit of the preset."""


def resolve(
    config: Path | None,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    defaults: Mapping[str, Any] | None = None,
    preset: str | None = None,
) -> TrainConfig:
    """Return the settings of `defaults`, the preset, picogen.toml in this folder, `--config`, flags
    and `--set`, in this order.

    Keys of `flags` may be dotted (`backbone.name`); None means not given. A preset is a size: its
    backbone options (`layers`) also hold for another backbone that has them. Its length holds if
    no other limit of the run is given.

    Raises:
        ConfigError, BadInput: an unknown key (with the nearest), a wrong value, a broken file.
    """
    sizes = _read(PRESETS / f"{preset}.toml") if preset else {}
    values: dict[str, Any] = {}
    files = [UNASKED] if UNASKED.is_file() else []
    for file in [*files, *([config] if config else [])]:
        table = _read(file)
        parse_options(TrainConfig, table, str(file))
        _merge(values, table)
    for key, value in flags.items():
        if value is not None:
            nested = value
            for part in reversed(key.split(".")):
                nested = {part: nested}
            _merge(values, nested)
    for item in sets:
        key, value = _assignment(item)
        _put(values, key.split("."), value)
    given, values = values, {}
    _merge(values, defaults or {})
    budgeted = any(given.get(name) is not None for name in BUDGETS)
    _merge(values, {k: v for k, v in sizes.items() if not (budgeted and k in BUDGETS)})
    _merge(values, given)
    if values.get("init") is None:  # else the checkpoint has its own parts
        for kind, name in NAMES.items():
            values.setdefault(kind, {}).setdefault("name", name)
        if "backbone" in sizes:
            _fit(values["backbone"], sizes["backbone"])
    return parse_options(TrainConfig, values, "configuration")


def read_sets(
    items: Sequence[str], names: Sequence[str], kind: str = "metric"
) -> dict[str, dict[str, Any]]:
    """Return the options of `--set NAME.OPTION=VALUE` by the name of a plugin.

    Raises:
        ConfigError: an item of another form, or a name that is none of `names`.
    """
    options: dict[str, dict[str, Any]] = {}
    for item in items:
        key, value = _assignment(item)
        name, _, option = key.partition(".")
        if name not in names or not option:
            raise ConfigError(
                f"--set {item!r}: write it as {kind.upper()}.OPTION=VALUE; "
                f"{kind}s: {', '.join(names)}."
            )
        options.setdefault(name, {})[option] = value
    return options


def read_assignments(items: Sequence[str]) -> dict[str, Any]:
    """Return `OPTION=VALUE` as options of one plugin. Raises `ConfigError` for another form."""
    return dict(_assignment(item) for item in items)


def _fit(backbone: Any, preset: Mapping[str, Any]) -> None:
    """Set options that a backbone shares with the preset's backbone, unless they are given."""
    if not isinstance(backbone, dict) or backbone.get("name") == preset["name"]:
        return
    known = registry().get("backbone", str(backbone.get("name"))).config().model_fields
    for key, value in preset.items():
        if key in known:
            backbone.setdefault(key, value)


def _read(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_text(file))
    except FileNotFoundError:
        raise BadInput(f"{file}: there is no such configuration file.") from None
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise BadInput(f"{file}: not TOML ({error}).") from None


def _assignment(item: str) -> tuple[str, Any]:
    """Return `backbone.layers=4` as key and TOML value; any other value is a string."""
    key, separator, text = item.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set {item!r}: write it as key=value, such as backbone.layers=4.")
    try:
        return key.strip(), parse_toml(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text
    except ValueError as error:
        raise ConfigError(f"--set {item[:40]!r}: not a value ({error}).") from None


def _put(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {'.'.join(path)}: {part} is no table.")
        values = inner
    values[path[-1]] = value


def _merge(values: dict[str, Any], table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        old = values.get(key)
        if key in NAMES and not isinstance(value, Mapping):
            raise ConfigError(f"{key}={value!r}: it is a table. Write {key}.name={value}.")
        if key in NAMES and isinstance(old, dict) and "name" in value:
            other = value["name"] != old.get("name", NAMES[key])
            old = None if other else old  # another backbone has other options
        if isinstance(value, Mapping) and isinstance(old, dict):
            _merge(old, value)
        else:
            values[key] = dict(value) if isinstance(value, Mapping) else value

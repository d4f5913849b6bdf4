"""Read run folders (without torch) and compare their settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from picogen_core.errors import BadCheckpoint, BadInput
from picogen_core.model.config import CONFIG, MANIFEST
from picogen_core.model.locate import locate
from picogen_core.runtime.reading import parse_json, parse_toml, read_bytes, read_json, read_text

_MAX_LOG = 1 << 30
_OF_THE_RUN = ("exp_name", "output_dir")


@dataclass(frozen=True)
class Run:
    """A run folder.

    config:     its settings by dotted names; options of backbone and head with defaults.
    manifest:   of its best checkpoint.
    rows:       of metrics.jsonl; empty without such a file.
    remarks:    on missing or damaged files.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    manifest: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    remarks: tuple[str, ...] = ()
    checkpoint: Path = field(default=Path())

    @property
    def parameters(self) -> int | None:
        found = self.manifest.get("parameters")
        return found if isinstance(found, int) else None

    @property
    def logged_bits(self) -> float | None:
        """Bits per character of the best logged evaluation."""
        progress = self.manifest.get("progress")
        best = progress.get("best") if isinstance(progress, dict) else None
        return best / math.log(2) if isinstance(best, int | float) else None

    @property
    def evaluated_on(self) -> tuple[Any, ...]:
        """Key that is equal for runs whose logged bits are of the same characters."""
        data = self.manifest.get("data")
        digest = data.get("sha256") if isinstance(data, dict) else data
        known = self.config.get("eval_data") or digest or self.config.get("data")
        return str(known), self.config.get("max_patches")

    @property
    def share_of_budget(self) -> float | None:
        """Share of the run's length that is done, by its log; 1 is all."""
        limits = {
            "step": self.config.get("max_steps"),
            "epoch": self.config.get("epochs"),
            "characters": self.config.get("max_characters"),
            "seconds": self.config.get("max_seconds"),
            "cpu_seconds": self.config.get("max_cpu_seconds"),
        }
        shares = [
            reached / limit
            for name, limit in limits.items()
            if _is_number(limit) and (reached := self.last(name)) is not None
        ]
        return max(shares, default=None)

    def last(self, name: str) -> float | None:
        """Return the last number of that name in the log."""
        return next((row[name] for row in reversed(self.rows) if _is_number(row.get(name))), None)

    def curve(self, name: str, against: str) -> list[tuple[float, float]]:
        """Return (x, y) of every row that has both, such as `eval_bits` against `seconds`."""
        pairs = ((row.get(against), row.get(name)) for row in self.rows)
        return [(float(x), float(y)) for x, y in pairs if _is_number(x) and _is_number(y)]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Return the runs, named by the shortest distinct parts of their paths.

    Raises:
        BadInput: a folder is no run, or is named twice.
    """
    places = [folder.resolve() for folder in folders]
    for place, folder in zip(places, folders, strict=True):
        if places.count(place) > 1:
            raise BadInput(f"{folder} is given twice. Name each run once.")
    for depth in range(1, max(len(place.parts) for place in places) + 1):
        names = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            break
    return [read_run(folder, name) for folder, name in zip(folders, names, strict=True)]


def read_run(folder: Path, name: str) -> Run:
    """Return a run. Raises `BadInput` if the folder is no run or cannot be read."""
    settings = folder / "config.toml"
    if not settings.is_file():
        raise BadInput(f"{folder}: not a run: {_why_not(folder)}")
    try:
        checkpoint = locate(folder).file.parent
    except BadCheckpoint:
        raise BadInput(
            f"{folder}: the run has no checkpoint yet, neither best/ nor last/."
        ) from None
    try:
        config = _flat(parse_toml(read_text(settings)))
        model = read_json(checkpoint / CONFIG)
        manifest = read_json(checkpoint / MANIFEST)
        for part in ("backbone", "head"):
            config |= {f"{part}.{key}": v for key, v in model[f"{part}_options"].items()}
            config[f"{part}.name"] = model[part]
        if not isinstance(manifest, dict):
            raise ValueError(f"{MANIFEST} is no table")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{folder}: cannot be read ({error}). Is it a whole copy?") from None
    rows, remarks = _read_log(folder / "metrics.jsonl")
    left = {key: value for key, value in config.items() if key not in _OF_THE_RUN}
    return Run(name, folder, left, manifest, rows, remarks, checkpoint)


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the settings that differ between runs, by name; None for a missing one."""
    keys = sorted({key for run in runs for key in run.config})
    found = {key: [run.config.get(key) for run in runs] for key in keys}
    return {key: values for key, values in found.items() if any(v != values[0] for v in values)}


def shared_data(runs: Sequence[Run]) -> Path | None:
    """Return the data that all runs were trained on, if it still exists."""
    place = runs[0].config.get("data") if runs else None
    if any(run.config.get("data") != place for run in runs):
        return None
    return Path(place) if isinstance(place, str) and Path(place).exists() else None


def _why_not(folder: Path) -> str:
    if not folder.is_dir():
        return "there is no such folder. Give a run folder, such as checkpoints/NAME."
    if (folder.parent / "config.toml").is_file():
        return f"it is a checkpoint of one. Give {folder.parent}."
    return "it has no config.toml. Give a run folder, such as checkpoints/NAME."


def _read_log(file: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    if not file.is_file():
        return [], ("no metrics.jsonl, so no curves",)
    rows, damaged = [], 0
    try:
        text = read_bytes(file, _MAX_LOG).decode(errors="replace")
    except OSError as error:
        return [], (f"metrics.jsonl cannot be read ({error.strerror}), so no curves",)
    for line in text.splitlines():
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            damaged += 1
    return rows, (f"{damaged} lines of metrics.jsonl are damaged",) if damaged else ()


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)

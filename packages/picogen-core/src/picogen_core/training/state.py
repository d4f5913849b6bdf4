"""The progress of a run, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from picogen_core.evaluation.summaries import Value
from picogen_core.plugins.options import MAX_COUNT

STATE = "training.safetensors"


Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass
class Progress:
    """Progress of a run, stored in the manifest of every checkpoint.

    seconds:     wall-clock time of steps and of waiting for batches; `waited` is the latter.
    cpu_seconds: CPU time of the same, of all processes together.
    own_text_seconds: part of `seconds` in which the student sampled its training text.
    best:        lowest evaluation loss so far, nats per character.
    evaluated:   the step of the last evaluation.
    sample_seconds: time of the samples at evaluations; not part of `seconds`.
    log_bytes:   length of metrics.jsonl; a resumed run drops later bytes.
    """

    step: Count = 0
    seconds: Seconds = 0.0
    cpu_seconds: Seconds = 0.0
    waited: Seconds = 0.0
    own_text_seconds: Seconds = 0.0
    characters: Count = 0
    best: float | None = None
    evaluated: Count = 0
    sample_seconds: Seconds = 0.0
    log_bytes: Count = 0


_RENAMED = {"sampling": "own_text_seconds", "sampled": "sample_seconds"}
"""Fields of 0.1 by their new names."""


def read_progress(manifest: Mapping[str, Any]) -> Progress:
    """Return the progress in a manifest. Raises `ValueError` for impossible numbers."""
    found = manifest.get("progress")
    if isinstance(found, Mapping):
        found = {_RENAMED.get(name, name): value for name, value in found.items()}
    return TypeAdapter(Progress).validate_python(found)


@dataclass(frozen=True)
class RunResult:
    """Folder of a run, and the score of its best checkpoint on the evaluation pieces.

    `loader_share` is the share of the time spent waiting for batches.
    """

    run_dir: Path
    bits_per_character: Value
    steps: int
    epochs: float
    characters: int
    seconds: float
    cpu_seconds: float
    loader_share: float
    parameters: int

"""What a run knows of itself besides its weights, and what it returns."""

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
    """Where a run stands. It lies in the manifest of every checkpoint.

    seconds:    in steps and in waiting for batches, by the clock; `waited` is the latter.
    cpu_seconds: of the same, of all processes together.
    sampling:   seconds of these in which the student wrote what it was trained on.
    best:       lowest evaluation loss so far, nats per character.
    evaluated:  the step of the last evaluation.
    sampled:    seconds that went into samples; they are not among `seconds`.
    log_bytes:  length of metrics.jsonl; what came after is forgotten when the run goes on.
    """

    step: Count = 0
    seconds: Seconds = 0.0
    cpu_seconds: Seconds = 0.0
    waited: Seconds = 0.0
    sampling: Seconds = 0.0
    characters: Count = 0
    best: float | None = None
    evaluated: Count = 0
    sampled: Seconds = 0.0
    log_bytes: Count = 0


def read_progress(manifest: Mapping[str, Any]) -> Progress:
    """What a manifest says of it. Raises `ValueError` for numbers that it cannot have."""
    return TypeAdapter(Progress).validate_python(manifest.get("progress"))


@dataclass(frozen=True)
class RunResult:
    """Where a run lies and how good its best checkpoint is on the evaluation pieces.

    `loader_share` of the seconds went into waiting for batches.
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

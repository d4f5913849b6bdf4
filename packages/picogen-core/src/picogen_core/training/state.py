"""What a run knows of itself besides its weights, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picogen_core.protocols import Value

STATE = "training.safetensors"


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

    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    waited: float = 0.0
    sampling: float = 0.0
    characters: int = 0
    best: float | None = None
    evaluated: int = 0
    sampled: float = 0.0
    log_bytes: int = 0


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

"""The limits of a run: whichever is reached first ends it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from picogen_core.training.config import TrainConfig
from picogen_core.training.state import Progress

EPOCHS = 20.0
"""Epochs of a run that names no limit."""


@dataclass(frozen=True)
class Budget:
    """Limits of a run, at least one. The keys are the fields of `Progress` they apply to."""

    limits: Mapping[str, float]

    def fraction(self, progress: Progress) -> float:
        """Return the share of the run that is over, 0 … 1, by the nearest limit."""
        reached: Mapping[str, float] = vars(progress)
        return min(1.0, max(reached[name] / limit for name, limit in self.limits.items()))


def make_budget(config: TrainConfig, steps_per_epoch: int) -> Budget:
    """Return the limits of a configuration."""
    limits: dict[str, float | None] = {
        "characters": config.max_characters,
        "seconds": config.max_seconds,
        "cpu_seconds": config.max_cpu_seconds,
    }
    found = {name: limit for name, limit in limits.items() if limit is not None}
    steps = [] if config.max_steps is None else [float(config.max_steps)]
    epochs = config.epochs
    if epochs is None and not found and not steps:
        epochs = EPOCHS
    if epochs is not None:
        steps.append(epochs * steps_per_epoch)
    return Budget({**found, "step": min(steps)} if steps else found)


class Spent:
    """Stopwatch of its `with` blocks: wall-clock seconds and CPU seconds of this process."""

    def __init__(self) -> None:
        self.seconds, self.cpu_seconds = 0.0, 0.0
        self._begun = 0.0, 0.0

    def __enter__(self) -> None:
        self._begun = time.monotonic(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._begun[0]
        self.cpu_seconds += time.process_time() - self._begun[1]

    def take(self) -> tuple[float, float]:
        """Return both since the last call."""
        taken = self.seconds, self.cpu_seconds
        self.seconds, self.cpu_seconds = 0.0, 0.0
        return taken

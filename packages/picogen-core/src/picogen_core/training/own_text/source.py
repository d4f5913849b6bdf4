"""The source of batches that the student samples itself: in place of data, or to be rewarded."""

from __future__ import annotations

import time
from dataclasses import dataclass

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import decode
from picogen_core.data.prepared.store import Dataset
from picogen_core.errors import ConfigError
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.objective import Objective
from picogen_core.training.own_text.feedback import rewarded_pieces
from picogen_core.training.own_text.on_policy import on_policy_batches
from picogen_core.training.processes import Processes
from picogen_core.training.step_batches import BatchSource, DataBatches, MicroBatches, StepBatches
from picogen_core.training.teacher.outputs import OutputSource, SampleTeacher

FEEDBACK_PIECES = 512


@dataclass(frozen=True)
class OwnText:
    """Batches of the data, some replaced by sampled ones; and sampled pieces with rewards.

    live: the teacher's outputs for sampled text.
    """

    config: TrainConfig
    model: GenericStudent
    objective: Objective
    teacher_outputs: OutputSource | None
    live: OutputSource | None

    def __call__(
        self, batches: MicroBatches, step: int, fraction: float, processes: Processes
    ) -> StepBatches:
        begun = time.monotonic()
        own = on_policy_batches(self.config, self.model, batches, step)
        rewarded = rewarded_pieces(
            self.config, self.objective, self.model, batches, step, fraction, processes
        )
        if own is None:
            seconds = time.monotonic() - begun if rewarded else 0.0
            return StepBatches(batches, self.teacher_outputs, extra=rewarded, seconds=seconds)
        return StepBatches(own, self.live, True, rewarded, time.monotonic() - begun)


def make_source(
    config: TrainConfig,
    model: GenericStudent,
    objective: Objective,
    teacher_outputs: OutputSource | None,
    live: OutputSource | None,
) -> BatchSource:
    """Return the source of a run's batches: its data, unless it trains on its own text too."""
    if live is None and not objective.feedback:
        return DataBatches(teacher_outputs)
    return OwnText(config, model, objective, teacher_outputs, live)


def prepare_own_text(
    config: TrainConfig,
    objective: Objective,
    teacher: GenericStudent | None,
    train: Dataset,
    reporter: Reporter,
) -> OutputSource | None:
    """Prepare the rewards; return the teacher of on-policy steps, None without any.

    Raises:
        ConfigError: on-policy steps without a teacher or a loss that reads it.
    """
    for _, feedback in objective.feedback.values():
        originals = train.in_source_keys()
        music = originals if len(originals) else train
        chosen = range(0, len(music), -(-len(music) // FEEDBACK_PIECES))
        texts = (strip_counters(decode(music[i].patches)) for i in chosen)
        reporter.message(feedback.prepare(texts))
    if not config.on_policy:
        return None
    if teacher is None:
        raise ConfigError(
            f"on_policy={config.on_policy:g} needs a teacher for the student's music and there is "
            "none. Use `picogen distill --teacher-ckpt FILE`, or --set on_policy=0."
        )
    if not any(objective.active(fraction, sampled=True) for fraction in (0.0, 0.5)):
        raise ConfigError(
            f"on_policy={config.on_policy:g} needs a loss that compares the student with the "
            "teacher. Give --alpha-kd a weight, or --set on_policy=0."
        )
    reporter.message(
        f"On-policy: the student samples the batches of {config.on_policy:.0%} of the steps, "
        "and the teacher scores them without a cache."
    )
    return SampleTeacher(teacher, objective.wants_logits, objective.wants_hidden)

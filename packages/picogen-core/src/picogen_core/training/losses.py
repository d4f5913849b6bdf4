"""Cross-entropy and the distillation losses, over characters that count.

Their options are in `losses_plugin.py`, which needs no torch.

N valid target patches  P = 16 characters per patch  V = 128 codes  M valid characters
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from picogen_core.plugins.protocols import LossBatch, LossValue
from picogen_core.training.losses_plugin import HiddenMseOptions, LogitKdOptions


def cross_entropy(batch: LossBatch) -> Float[Tensor, ""]:
    """Return the mean next-character cross-entropy in nats over valid characters."""
    return F.nll_loss(batch.student_log_probabilities, batch.characters[batch.valid])


def _kl(p: Float[Tensor, "M V"], q: Float[Tensor, "M V"]) -> Float[Tensor, ""]:
    """Return the mean KL(p ‖ q) in nats of log-probabilities."""
    return F.kl_div(q, p, reduction="batchmean", log_target=True)


@dataclass(frozen=True)
class LogitKd:
    """Hinton et al. 2015: divergence at temperature T, times T² so that gradients keep size.

    On text sampled from the student it is the Jensen–Shannon divergence, as in generalised
    knowledge distillation (Agarwal et al. 2024, arXiv:2306.13649, β = 1/2).
    """

    divergence: str
    temperature: float

    def __call__(self, batch: LossBatch) -> LossValue:
        assert batch.teacher_logits is not None
        student = self._tempered(batch.student_log_probabilities)
        teacher = F.log_softmax(batch.teacher_logits[batch.valid].float() / self.temperature, -1)
        divergence = "jsd" if batch.sampled else self.divergence
        if divergence == "forward-kl":
            value = _kl(teacher, student)
        elif divergence == "reverse-kl":
            value = _kl(student, teacher)
        else:
            middle = torch.logaddexp(student, teacher) - torch.log(student.new_tensor(2.0))
            value = (_kl(teacher, middle) + _kl(student, middle)) / 2
        return LossValue(value * self.temperature**2)

    def _tempered(self, logs: Float[Tensor, "M V"]) -> Float[Tensor, "M V"]:
        return logs if self.temperature == 1 else F.log_softmax(logs / self.temperature, dim=-1)


def hidden_mse(batch: LossBatch) -> LossValue:
    """Return the mean over patches and channels of (projected student − teacher hidden)²."""
    assert batch.teacher_hidden is not None
    return LossValue(F.mse_loss(batch.student_hidden.float(), batch.teacher_hidden.float()))


def build_logit_kd(options: LogitKdOptions) -> LogitKd:
    return LogitKd(options.divergence, options.temperature)


def build_hidden_mse(options: HiddenMseOptions) -> Callable[[LossBatch], LossValue]:
    return hidden_mse

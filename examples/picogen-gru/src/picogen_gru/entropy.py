"""A loss that holds the mean entropy of predictions near a target (after Pereyra et al., 2017)."""

from picogen_core import LossBatch, LossValue

from picogen_gru.options import EntropyOptions


class EntropyTarget:
    """The squared distance of the mean entropy, nat per character, from the target."""

    def __init__(self, options: EntropyOptions) -> None:
        self.target = options.target

    def __call__(self, batch: LossBatch) -> LossValue:
        log_p = batch.student_log_probabilities
        entropy = -(log_p.exp() * log_p).sum(-1).mean()
        return LossValue((entropy - self.target).square(), {"entropy": entropy.item()})

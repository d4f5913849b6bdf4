"""`PhysicsAwareLoss`: the spectrum and the intervals of the student's expected melody.

Pulling a statistic of teacher-forced predictions to a value of the *corpus* is biased even for a
perfect model: predictions given the true past are smoother than the music. So the target is the
same statistic of the teacher's predictions at the same notes (`teacher-matched`), or the histogram
of the actual intervals (`conditional`). Both are unbiased for a perfect model.

Glossary: M notes, T = 2 models (student, teacher) or 1, L = 14 letters `CDEFGABcdefgab`,
G series of one length N, K frequencies, 25 intervals of −12 … 12 diatonic steps.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from picogen_core import ConfigError, LossBatch, LossValue
from torch import Tensor

from picogen_metrics.physics_options import PhysicsOptions

LETTERS = "CDEFGABcdefgab"
FIRST_STEP = 28
"""The diatonic step of `C`; the letters are the steps 28 … 41."""
EDGES = np.geomspace(1 / 48, 1 / 2, 9)
PSD_FLOOR = 1e-6
VARIANCE_FLOOR = 1e-4  # steps²: at the start a student expects almost the same pitch everywhere
CLIP = 12
SMOOTHING = 1e-3


@dataclass(frozen=True)
class Notes:
    """The notes of a batch by series, short series first; a series is one voice of one row."""

    position: Int[Tensor, "M"]
    step: Int[Tensor, "M"]
    octave: Bool[Tensor, "M"]
    follows: Bool[Tensor, "M"]  # the note before it in this list is of its series
    lengths: list[int]  # of the series, in rising order


class PhysicsAwareLoss:
    """`psd` × mean square difference of log power + `interval` × KL of interval histograms.

    Parts: `psd` (mean square ln) and `interval` (nat), each absent where it is undefined; `notes`
    and `series`, the counts behind them. A batch without a note gives exactly 0 and `notes` 0.
    """

    def __init__(self, options: PhysicsOptions) -> None:
        self.options = options

    def __call__(self, batch: LossBatch) -> LossValue:
        """Return the loss. Raises `ConfigError` in mode `teacher-matched` without a teacher."""
        teacher = batch.teacher_logits
        if self.options.mode == "teacher-matched" and teacher is None:
            raise ConfigError(
                "loss 'physics': mode 'teacher-matched' needs a teacher. "
                "Distil, or --set loss.physics.mode=conditional."
            )
        if self.options.mode == "conditional":
            teacher = None
        if teacher is None and batch.sampled:  # the student's own intervals are no target
            return LossValue(batch.student_logits.sum() * 0.0)
        notes = sort_notes(batch)
        total = batch.student_logits.new_zeros((), dtype=torch.float32)
        long = [length for length in notes.lengths if length >= self.options.min_notes]
        parts = {"notes": float(len(notes.position)), "series": 0.0}
        if not notes.lengths:
            return LossValue(total, parts)
        student = letter_probabilities(batch.student_logits, notes.position)
        with torch.no_grad():
            other = None if teacher is None else letter_probabilities(teacher, notes.position)
        if other is not None and long:
            tail = slice(len(notes.step) - sum(long), None)  # the long series come last
            step, octave = notes.step[tail], notes.octave[tail]
            both = torch.stack([expected_steps(p[tail], step, octave) for p in (student, other)])
            found, wanted = log_psd(both, long)
            psd = (found - wanted).square().mean()
            total = total + self.options.psd * psd
            parts |= {"psd": psd.item(), "series": float(len(long))}
        counted = notes.follows & ~notes.octave
        if counted.any():
            before = notes.step.roll(1)[counted]
            expected = interval_histogram(student[counted], before)
            target = (
                observed_histogram(notes.step[counted] - before)
                if other is None
                else interval_histogram(other[counted], before)
            )
            divergence = (target * (target.log() - expected.log())).sum()
            total = total + self.options.interval * divergence
            parts["interval"] = divergence.item()
        return LossValue(total, parts)


def sort_notes(batch: LossBatch) -> Notes:
    """Return the notes at valid characters."""
    notes = batch.notes
    keep = batch.valid.flatten()[notes.position]
    voice = notes.voice[keep]
    name = notes.row[keep] * (int(voice.max()) + 1 if len(voice) else 1) + voice
    _, series, lengths = torch.unique(name, return_inverse=True, return_counts=True)
    order = torch.argsort(lengths[series] * len(lengths) + series, stable=True)
    series = series[order]
    follows = torch.zeros_like(series, dtype=torch.bool)
    follows[1:] = series[1:] == series[:-1]
    return Notes(
        position=notes.position[keep][order],
        step=notes.step[keep][order],
        octave=notes.octave[keep][order],
        follows=follows,
        lengths=sorted(lengths.tolist()),
    )


def letter_probabilities(
    logits: Float[Tensor, "N P V"], position: Int[Tensor, "M"]
) -> Float[Tensor, "M L"]:
    """Return the probabilities of the 14 letters at the notes, normalised over the letters."""
    codes = torch.tensor([ord(letter) for letter in LETTERS], device=logits.device)
    chosen = logits.reshape(-1, logits.shape[-1])[position[:, None], codes]
    return chosen.float().softmax(dim=-1)


def expected_steps(
    probabilities: Float[Tensor, "M L"], step: Int[Tensor, "M"], octave: Bool[Tensor, "M"]
) -> Float[Tensor, "M"]:
    """Return the expected diatonic step of each note; the notated one if octave marks follow.

    The marks come after the letter, so the letter's probability does not determine the octave.
    """
    steps = torch.arange(FIRST_STEP, FIRST_STEP + len(LETTERS), device=step.device)
    return torch.where(octave, step.float(), probabilities @ steps.float())


def log_psd(x: Float[Tensor, "T M"], lengths: list[int]) -> Float[Tensor, "T bins"]:
    """Return ln(power + 1e-6) of the series concatenated in x, with rising lengths.

    Each series is normalised to variance 1. Its periodogram |FFT(z)_k|²/N is averaged in the
    non-empty ones of 8 bins, and the bins of all series are joined in one axis.
    """
    count = torch.tensor(lengths, device=x.device)
    series = torch.repeat_interleave(torch.arange(len(lengths), device=x.device), count)

    def mean(values: Float[Tensor, "T M"]) -> Float[Tensor, "T M"]:
        sums = values.new_zeros(len(values), len(lengths)).index_add(1, series, values)
        return (sums / count)[:, series]

    centred = x - mean(x)
    z = centred * (mean(centred.square()) + VARIANCE_FLOOR).rsqrt()
    groups = Counter(lengths)
    powers = []
    parts = torch.split(z, [length * size for length, size in groups.items()], dim=1)
    for length, part in zip(groups, parts, strict=True):
        spectrum = torch.view_as_real(torch.fft.rfft(part.reshape(len(x), -1, length)))
        averages = torch.as_tensor(_bin_averages(length), dtype=x.dtype, device=x.device)
        powers.append((spectrum.square().flatten(2) @ averages).flatten(1))
    return torch.log(torch.cat(powers, dim=1) + PSD_FLOOR)


@lru_cache(maxsize=2048)
def _bin_averages(count: int) -> Float[np.ndarray, "twice_K bins"]:
    """Return the matrix from squared real and imaginary parts (alternating) to mean bin power."""
    k = np.arange(count // 2 + 1)
    inside = (k >= 1) & (k <= (count - 1) // 2)
    bins = np.digitize(k / count, EDGES) - 1
    members = np.stack([inside & (bins == number) for number in range(len(EDGES) - 1)], axis=1)
    filled: np.ndarray = members[:, members.any(axis=0)]
    averages: np.ndarray = np.repeat(filled / filled.sum(axis=0) / count, 2, axis=0)
    return averages


def interval_histogram(
    probabilities: Float[Tensor, "M L"], before: Int[Tensor, "M"]
) -> Float[Tensor, "25"]:
    """Return the expected distribution of the interval from the true previous step, smoothed."""
    steps = torch.arange(FIRST_STEP, FIRST_STEP + len(LETTERS), device=before.device)
    bins = (steps - before[:, None]).clamp(-CLIP, CLIP) + CLIP
    counts = probabilities.new_zeros(2 * CLIP + 1)
    return _smooth(counts.index_add(0, bins.flatten(), probabilities.flatten()))


def observed_histogram(intervals: Int[Tensor, "M"]) -> Float[Tensor, "25"]:
    """Return the distribution of the actual intervals, smoothed the same way."""
    bins = intervals.clamp(-CLIP, CLIP) + CLIP
    return _smooth(torch.bincount(bins, minlength=2 * CLIP + 1).float())


def _smooth(counts: Float[Tensor, "25"]) -> Float[Tensor, "25"]:
    return (counts / counts.sum() + SMOOTHING) / (1 + SMOOTHING * len(counts))

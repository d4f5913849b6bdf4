"""Random music for the checks of metrics and losses: random walks in two voices, with notes.

Glossary: B rows, N patches, P = 16 characters of a patch, V = 128 codes, E width of the teacher.
"""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.abc.reading.notes import Note, read_tune
from picogen_core.plugins.protocols import LossBatch, NoteIndex
from picogen_core.score.reading import Piece

if TYPE_CHECKING:
    import torch

EMPTY = Piece(name="empty.abc", text="X:1\nL:1/8\nM:4/4\nK:C\n", voices={})
BARS, EIGHTHS = 16, 8
MAJOR = (0, 2, 4, 5, 7, 9, 11)  # semitones above C
B, PATCHES, P, V, E = 3, 4, PATCH_SIZE, VOCABULARY, 24


def sample_pieces(count: int, seed: int = 0) -> tuple[Piece, ...]:
    """Return `count` different pieces of 16 bars, two voices, one key, with some rests."""
    return tuple(_piece(random.Random(1000 * seed + index), index) for index in range(count))


def spell(step: int) -> str:
    """Return the ABC of a diatonic step: 28 is `C`, 35 `c`, 42 `c'`, 21 `C,`."""
    octave, letter = divmod(step, 7)
    name = "CDEFGAB"[letter]
    return name + "," * (4 - octave) if octave < 5 else name.lower() + "'" * (octave - 5)


def _piece(rng: random.Random, index: int) -> Piece:
    text = EMPTY.text
    voices: dict[str, list[Note]] = {"1": [], "2": []}
    steps = {"1": 35, "2": 24}
    for bar in range(BARS):
        for voice, notes in voices.items():
            text += f"[V:{voice}]"
            for eighth in range(EIGHTHS):
                onset = Fraction(bar * EIGHTHS + eighth, 2)
                if rng.random() < 0.05:
                    note, spelt = Note(None, 0, onset, Fraction(1, 2), len(text)), "z"
                else:
                    step = steps[voice] = min(46, max(15, steps[voice] + _interval(rng)))
                    pitch, spelt = 12 * (step // 7) + 12 + MAJOR[step % 7], spell(step)
                    octave = len(spelt) > 1
                    note = Note(pitch, step, onset, Fraction(1, 2), len(text), octave)
                notes.append(note)
                text += spelt
            text += "|"
        text += "\n"
    named = {voice: tuple(notes) for voice, notes in voices.items()}
    bars = read_tune(text)[1]
    return Piece(name=f"sample-{index}.abc", text=text, voices=named, bars=bars)


def _interval(rng: random.Random) -> int:
    """Return a random interval: mostly a step, rarely a leap, as in melodies."""
    return rng.choice((-1, 1)) * min(7, int(rng.paretovariate(1.5)))


def sample_batch(device: str = "cpu", seed: int = 0) -> LossBatch:
    """Return three rows of four patches with teacher outputs; patches end with padding."""
    import torch

    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    characters = torch.zeros(B * PATCHES, P, dtype=torch.long)
    valid = torch.zeros(B * PATCHES, P, dtype=torch.bool)
    notes: list[tuple[int, int, int, int, bool]] = []
    step = 35
    for n in range(B * PATCHES):
        text = ""
        while len(text) < 9:
            step = min(46, max(15, step + _interval(rng)))
            spelt = spell(step)
            notes.append((n * P + len(text), n // PATCHES, 1 + n % 2, step, len(spelt) > 1))
            text += spelt + rng.choice(("", "2"))
        text += "|"
        characters[n, : len(text)] = torch.tensor([ord(character) for character in text])
        valid[n, : len(text) + 1] = True  # the end-of-patch code counts
    logits = torch.randn(2, B * PATCHES, P, V, generator=generator)
    hidden = torch.randn(2, B * PATCHES, E, generator=generator)
    knowing = logits[1] + 4 * torch.nn.functional.one_hot(characters, V)
    columns = [torch.tensor(column, device=device) for column in zip(*notes, strict=True)]
    return LossBatch(
        student_logits=logits[0].to(device),
        student_hidden=hidden[0].to(device),
        characters=characters.to(device),
        valid=valid.to(device),
        row=torch.arange(B, device=device).repeat_interleave(PATCHES),
        patch=torch.arange(PATCHES, device=device).repeat(B),
        notes=NoteIndex(*columns),
        teacher_logits=knowing.to(device),
        teacher_hidden=hidden[1].to(device),
    )


def reorder_rows(batch: LossBatch, order: tuple[int, ...]) -> LossBatch:
    """Return the batch with row `order[i]` as row i, with patches, notes and teacher outputs."""
    import torch

    device = batch.row.device
    old = torch.cat([torch.nonzero(batch.row == row).flatten() for row in order])
    new_of = torch.empty_like(old)
    new_of[old] = torch.arange(len(old), device=device)
    row_of = torch.empty(len(order), dtype=torch.long, device=device)
    row_of[torch.tensor(order, device=device)] = torch.arange(len(order), device=device)
    notes = batch.notes
    position = new_of[notes.position // P] * P + notes.position % P
    place = position.argsort()
    moved = NoteIndex(
        position[place],
        row_of[notes.row][place],
        notes.voice[place],
        notes.step[place],
        notes.octave[place],
    )
    teacher_logits, teacher_hidden = batch.teacher_logits, batch.teacher_hidden
    return LossBatch(
        student_logits=batch.student_logits[old],
        student_hidden=batch.student_hidden[old],
        characters=batch.characters[old],
        valid=batch.valid[old],
        row=row_of[batch.row[old]],
        patch=batch.patch[old],
        notes=moved,
        teacher_logits=None if teacher_logits is None else teacher_logits[old],
        teacher_hidden=None if teacher_hidden is None else teacher_hidden[old],
    )


def scramble_padding(batch: LossBatch) -> LossBatch:
    """Return the batch with other characters and logits where `valid` is False."""
    import torch

    def other(logits: torch.Tensor) -> torch.Tensor:
        return torch.where(batch.valid[..., None], logits, logits.flip(-1) * 10 + 1)

    return replace(
        batch,
        characters=torch.where(batch.valid, batch.characters, ord("G")),
        student_logits=other(batch.student_logits),
        teacher_logits=None if batch.teacher_logits is None else other(batch.teacher_logits),
    )


def without_notes(batch: LossBatch) -> LossBatch:
    """Return the batch with an empty note index."""
    index = batch.notes
    columns = (index.position, index.row, index.voice, index.step, index.octave)
    return replace(batch, notes=NoteIndex(*(column[:0] for column in columns)))

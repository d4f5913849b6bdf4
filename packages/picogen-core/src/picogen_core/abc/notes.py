"""The one reader of notes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Note:
    """A note, chord tone or rest as notated; tied notes are separate, with `tied` on the first.

    pitch:    MIDI number, or None for a rest.
    step:     diatonic step 7 · octave + letter, C = 0 (middle C, `C`, is 28); 0 for a rest.
    onset:    quarters since the start of the piece.
    duration: quarters.
    start:    index in the text of its letter.
    octave:   octave marks follow the letter.
    tied:     a tie binds it to the next note of its pitch.
    chord:    0 for a single note; 1, 2, … for the tones of one chord, in the order of the text.
    """

    pitch: int | None
    step: int
    onset: Fraction
    duration: Fraction
    start: int
    octave: bool = False
    tied: bool = False
    chord: int = 0

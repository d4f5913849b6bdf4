"""Intervals as places on the line of fifths (… F -1, C 0, G 1 …).

An interval of k fifths with the octaves taken out is 4k - 7o letters and 7k - 12o semitones.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An interval: k fifths up, reduced by octaves to at most a tritone, then `octaves` up."""

    fifths: int
    octaves: int = 0

    @staticmethod
    def of(semitones: int) -> Interval:
        """Return the interval of so many semitones with the fewest sharps or flats."""
        fifths = (7 * semitones + 5) % 12 - 5
        return Interval(fifths, (semitones - Interval(fifths).semitones) // 12)

    @property
    def semitones(self) -> int:
        return (7 * self.fifths + 5) % 12 - 5 + 12 * self.octaves

    @property
    def steps(self) -> int:
        taken_out = (7 * self.fifths - Interval(self.fifths).semitones) // 12
        return 4 * self.fifths - 7 * (taken_out - self.octaves)


UNISON = Interval(0)

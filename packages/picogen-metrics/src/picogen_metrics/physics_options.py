"""Options of the loss `physics`. Loads no torch."""

from __future__ import annotations

from typing import Literal

from picogen_core import Options
from pydantic import Field

Mode = Literal["auto", "teacher-matched", "conditional", "feedback"]


class PhysicsOptions(Options):
    mode: Mode = Field(
        "auto",
        description="teacher-matched: spectrum and intervals as the teacher's. conditional: "
        "intervals as those of the music. auto: the first with a teacher, else the second. "
        "feedback: rewards for pieces sampled from the student, toward the training data.",
    )
    share: float = Field(
        0.25, gt=0, le=1, description="Share of the steps with sampled pieces (feedback)."
    )
    samples: int = Field(8, ge=1, le=256, description="Pieces sampled per row of data (feedback).")
    psd: float = Field(
        0.3,
        ge=0,
        description="Weight of the mean square difference of log power (teacher-matched).",
    )
    interval: float = Field(
        3.0, ge=0, description="Weight of the divergence of the interval histograms, in nats."
    )
    min_notes: int = Field(
        32, ge=8, description="A voice with fewer notes in the crop gives no spectrum."
    )

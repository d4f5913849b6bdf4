"""Options of the loss `physics`, apart from it so that reading them loads no torch."""

from __future__ import annotations

from typing import Literal

from picogen_core import Options
from pydantic import Field


class PhysicsOptions(Options):
    mode: Literal["auto", "teacher-matched", "conditional"] = Field(
        "auto",
        description="teacher-matched: spectrum and intervals as the teacher's. conditional: "
        "intervals as those of the music. auto: by whether there is a teacher.",
    )
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

"""How to sample; printed beside every figure that depends on it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from picogen_core.plugins.options import Options

Order = Literal["notagen", "temperature-first"]


class SamplingOptions(Options):
    """Restrictions in the order top-k, top-p, min-p; each renormalises what it keeps."""

    temperature: float = Field(
        default=1.0, ge=0, le=1000, description="Raises probabilities to 1/T; 0 is greedy."
    )
    top_k: int = Field(
        default=40, ge=0, le=1000, description="Keep the k most probable characters; 0 keeps all."
    )
    top_p: float = Field(
        default=0.9,
        description="Keep characters up to this cumulative probability; outside (0, 1) off.",
    )
    min_p: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Keep characters at least this share as probable as the likeliest; 0: all.",
    )
    order: Order = Field(
        default="notagen",
        description="When temperature acts: after the restrictions, or before them.",
    )
    mask: bool = Field(
        default=True,
        description="Never draw codes where no training patch has them: PAD, a BOS that does not "
        "close the piece, an EOS in front. Off, as NotaGen draws.",
    )

"""How to sample; printed beside every figure that depends on it."""

from __future__ import annotations

from pydantic import Field

from picogen_core.options import Options


class SamplingOptions(Options):
    """NotaGen's order: top-k, then top-p, then temperature."""

    temperature: float = Field(1.0, ge=0, description="Raises probabilities to 1/T; 0 is greedy.")
    top_k: int = Field(40, ge=0, description="Keep the k most probable characters; 0 keeps all.")
    top_p: float = Field(
        0.9, description="Keep characters up to this cumulative probability; outside (0, 1) off."
    )
    mask: bool = Field(
        default=True,
        description="Never draw codes where no training patch has them: PAD, a BOS that does not "
        "close the piece, an EOS in front. Off, as NotaGen draws.",
    )

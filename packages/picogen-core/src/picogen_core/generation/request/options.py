"""The options of a generated piece, each declared once.

The command line, `Student`, lists of pieces, digests and docs follow from these fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field

from picogen_core.plugins.options import MAX_SEED, Settings

Order = Literal["notagen", "temperature-first"]
Rank = Literal["nll", "powerlaw", "repetition", "valid"]
EngineName = Literal["auto", "numba", "torch"]
Rollovers = Literal["auto", "always", "never"]
REFERENCE = "oneills"
MOST_BARS = 10_000  # counters have four digits; the constant of the grammar would load numpy
SHIPPED = Path("tunes")
"""The weights that generate where no others are named."""


class SamplingOptions(Settings):
    """Restrictions in the order top-k, top-p, min-p; each renormalises the rest."""

    temperature: float = Field(
        default=1.2, ge=0, le=1000, description="Raises probabilities to 1/T; 0 is greedy."
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
        description="Keep characters at least this share as probable as the likeliest; 0 keeps "
        "all.",
    )
    order: Order = Field(
        default="notagen",
        description="When temperature acts: notagen (after the restrictions) or temperature-first.",
    )
    mask: bool = Field(
        default=True,
        description="Never draw codes that no training patch has at that place: PAD, a BOS that "
        "does not close the piece, an EOS in front. NotaGen draws without this mask.",
    )


class PieceRequest(SamplingOptions):
    """Every option of one generated piece."""

    prompt: str = Field(default="", description=r"Header, or header and music; \n is a newline.")
    prompt_file: Path | None = Field(default=None, description="A file with the prompt.")
    continued: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("continue", "continued"),
        serialization_alias="continue",
        description="Continue this score: ABC, MusicXML, **kern or MIDI.",
    )
    keep_bars: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="Bars of that score to keep; 0 keeps the header, left out keeps all.",
    )
    bars: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BARS,
        description="Bars of the piece, those of the prompt included; left out, the model decides.",
    )
    meter: str | None = Field(default=None, description="Meter of the whole piece, such as 6/8.")
    key: str | None = Field(
        default=None, description="Key of the whole piece, such as G, Dmin or Ador."
    )
    tempo: str | None = Field(
        default=None, description="Tempo, such as 1/4=120, or 120 quarters per minute."
    )
    grammar: bool | None = Field(
        default=None,
        description="Steer to sound bars that keep their meter, in all voices; left out, only with "
        "bars.",
    )
    max_length: int | None = Field(
        default=None,
        ge=2,
        le=1_048_576,
        description="Most patches, prompt included; left out, the length in training, or enough "
        "for bars.",
    )
    seed: int = Field(
        default=0, ge=0, le=MAX_SEED, description="Seed; piece k depends on (seed, k) alone."
    )
    candidates: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Generate so many drafts of each piece and keep the best.",
    )
    rank: Rank = Field(
        default="nll", description="Which draft is the best: nll, powerlaw, repetition or valid."
    )
    reference: str = Field(
        default=REFERENCE,
        description="Real music for the ranks powerlaw and repetition: a folder of scores, "
        "prepared data, or the name of a shipped reference.",
    )

    @property
    def sampling(self) -> SamplingOptions:
        """The sampling options alone."""
        return SamplingOptions(**{name: getattr(self, name) for name in SAMPLING})

    @property
    def steered(self) -> bool:
        """Whether the grammar steers the piece to sound bars."""
        return bool(self.grammar or self.bars is not None)


SAMPLING = tuple(SamplingOptions.model_fields)
BEGINNING = ("prompt", "prompt_file", "continued", "keep_bars")
"""Options whose effect is the text that a piece begins with."""
HEADER = ("meter", "key", "tempo")
"""Options whose effect is the requested fields, spelt as in training."""
CHOICE = ("candidates", "rank", "reference")
"""Options that matter with several candidates only."""


class GenerateRequest(PieceRequest):
    """Every option of `picogen generate`: the pieces, how many of them, and what generates them."""

    weights_path: Path = Field(
        default=SHIPPED,
        description="Shipped weights by name (picogen plugins lists them), run or checkpoint "
        "folder, NotaGen .pth or hf:OWNER/REPO[/FILE].",
    )
    backbone: str | None = Field(
        default=None, description="Refuse a checkpoint with another backbone than this."
    )
    num_samples: int = Field(default=5, ge=1, le=1_000_000, description="How many pieces.")
    listed: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("list", "listed"),
        serialization_alias="list",
        description="JSONL with one piece per line: id, and prompt, continue, bars, seed, "
        "temperature, … Pieces that lie finished in the folder are not generated again.",
    )
    shard: str = Field(default="1/1", description="Part i of n of the list: i/n.")
    force: bool = Field(
        default=False,
        description="Write into a folder that is not empty, and replace pieces of the list that "
        "have other settings.",
    )
    batch_size: int = Field(default=32, ge=1, le=65536, description="Pieces generated at once.")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps.")
    engine: EngineName = Field(
        default="auto", description="auto, numba (compiled, on the CPU) or torch."
    )
    rollover: Rollovers = Field(
        default="auto",
        description="Beyond the length in training, keep the header and the latest lines: auto "
        "(not for recurrent backbones), always or never.",
    )

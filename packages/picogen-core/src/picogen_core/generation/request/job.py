"""A request for one piece, and the same made ready: placed, checked, with its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from picogen_core.abc.grammar import QuickConstraint, least_patches
from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.grammar.line import MAX_TOTAL
from picogen_core.abc.patches import encode_prompt, split_body
from picogen_core.errors import ConfigError
from picogen_core.generation.decoding.decode import Limits
from picogen_core.generation.decoding.piece import Guide
from picogen_core.generation.request.headers import requested_fields
from picogen_core.generation.request.opening import read_opening, read_prompt
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.generation.request.prompt import PlacedPrompt, place_prompt
from picogen_core.score.files.reader import FileReader

FAIR = 16  # patches a bar that a piece of so many bars may take on the average
CLOSING = 4  # patches beyond the least that a piece of so many bars has to have left
MOST_BARS = 10**MAX_TOTAL
_LEAST = {"seed": 0, "bars": 1, "keep_bars": 0, "max_length": 2}


@dataclass(frozen=True, kw_only=True)
class PieceRequest:
    """What one piece shall be.

    prompt:     header, or header and music; `prompt_file` holds one; `continued` is a score whose
                first `keep_bars` bars are kept, all of them if None, of 0 the header.
    meter, key, tempo: as their fields say it, such as 6/8, Dmin, 1/4=120; None leaves them to the
                prompt and the model. A requested value does not change within the piece.
    bars:       in all, those of the prompt included; None leaves them to the model.
    grammar:    steer to sound bars; None: if there are `bars`.
    max_length: most patches, prompt included. None: as many as the model was trained on, and for
                `bars` enough.
    """

    prompt: str = ""
    prompt_file: Path | None = None
    continued: Path | None = None
    keep_bars: int | None = None
    meter: str | None = None
    key: str | None = None
    tempo: str | None = None
    bars: int | None = None
    grammar: bool | None = None
    max_length: int | None = None
    seed: int = 0
    sampling: SamplingOptions = field(default_factory=SamplingOptions)

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name}={value}: give {least} or more.")
        if self.bars is not None and self.bars > MOST_BARS:
            raise ConfigError(f"bars={self.bars}: counters have room for {MOST_BARS:,}.")

    def placed(self, reader: FileReader | None = None) -> PlacedPrompt:
        """The beginning of the piece, of a score by `reader` if there is one already.

        Raises:
            PicogenError: it cannot be read, or contradicts the other options.
        """
        if self.prompt and self.prompt_file:
            raise ConfigError("--prompt and --prompt-file are two prompts. Give one.")
        if self.keep_bars is not None and self.continued is None:
            raise ConfigError("--keep-bars is of the score that --continue names. Add it.")
        if self.bars is not None and self.grammar is False:
            raise ConfigError("--bars takes the grammar. Leave --no-grammar out.")
        prompt = read_prompt(self.prompt_file) if self.prompt_file else self.prompt
        requested = self.fields()
        if self.continued:
            if requested:
                raise ConfigError(
                    "--meter, --key and --tempo are of a new piece, and --continue goes on from "
                    "one that has its own. Leave them out."
                )
            return read_opening(self.continued, self.keep_bars, self.bars, prompt, reader)
        return place_prompt(prompt, self.bars, requested)

    def fields(self) -> dict[str, str]:
        """Requested values by the letter of their field."""
        return requested_fields(self.meter, self.key, self.tempo)


@dataclass(frozen=True)
class Job:
    """A piece ready to be written. `name` is that of its files, `number` its place in the seed;
    `settings` is what its text depends on, as its JSON tells it; `choices` what its header may say.
    """

    name: str
    number: int
    request: PieceRequest
    prompt: PlacedPrompt
    limits: Limits
    settings: dict[str, Any]
    choices: FieldChoices = EVERYTHING

    def numbered(self, number: int) -> Job:
        """The same once more, with other draws."""
        return replace(self, name=f"{number:04d}", number=number)

    @property
    def digest(self) -> str:
        """sha256 of the settings."""
        text = json.dumps([self.number, self.settings, self.prompt.titles], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def guides(self) -> list[Guide]:
        """What watches over the piece while it is written."""
        request = self.request
        steered = bool(request.grammar or request.bars is not None)
        if not steered and not request.sampling.mask and not self.choices.requested:
            return []
        return [
            QuickConstraint(
                self.limits.max_patches, grammar=steered, bars=request.bars, choices=self.choices
            )
        ]


def wanted_length(request: PieceRequest, prompt: PlacedPrompt, context: int) -> int:
    """Most patches of a piece: those requested, or what fits a model trained on `context`.

    Raises:
        ConfigError: the bars take more than `max_length`.
    """
    if request.bars is None:
        return request.max_length or context
    begun = encode_prompt(prompt.text)
    length = len(begun.patches) + bool(begun.tail)
    left = request.bars - split_body(prompt.text)[1].count("\n")
    if request.max_length is None:
        return max(context, length + FAIR * (left + 1))
    lines = (least_patches(request.bars) - 1) * left // request.bars
    least = length + lines + 1 + CLOSING
    if least > request.max_length:
        raise ConfigError(
            f"--bars {request.bars} takes {least} patches at the very least, prompt included, and "
            f"--max-length is {request.max_length}. Leave it out, or ask for more."
        )
    return request.max_length

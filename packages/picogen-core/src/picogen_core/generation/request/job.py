"""A piece ready to be generated: its prompt placed, its options checked, its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from picogen_core.abc.grammar import QuickConstraint, least_patches
from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.patches import encode_prompt, split_body
from picogen_core.errors import ConfigError
from picogen_core.generation.decoding.decode import Limits
from picogen_core.generation.decoding.piece import Guide
from picogen_core.generation.request.continued import read_opening, read_prompt
from picogen_core.generation.request.headers import requested_fields
from picogen_core.generation.request.options import (
    BEGINNING,
    CHOICE,
    HEADER,
    SAMPLING,
    PieceRequest,
)
from picogen_core.generation.request.prompt import PlacedPrompt, place_prompt
from picogen_core.score.files.reader import FileReader

FAIR = 16  # patches per bar that a piece of so many bars may take on average
CLOSING = 4  # patches beyond the minimum that a piece of so many bars must have left


@dataclass(frozen=True)
class Job:
    """A piece ready to be generated.

    name:    of its files.
    number:  its place in the seed.
    request: with `grammar` and `max_length` resolved.
    model:   sha256 of the checkpoint.
    choices: what its header may contain.
    """

    name: str
    number: int
    request: PieceRequest
    prompt: PlacedPrompt
    limits: Limits
    model: str
    choices: FieldChoices = EVERYTHING

    def numbered(self, number: int) -> Job:
        """Return the same job with other draws."""
        return replace(self, name=f"{number:04d}", number=number)

    @property
    def settings(self) -> dict[str, Any]:
        """What the text of the piece depends on, as its JSON records it.

        Options that are None are left out, so that a new option keeps the digests of older pieces.
        """
        request = self.request
        elsewhere = {*BEGINNING, *HEADER, *CHOICE, *SAMPLING}
        plain = request.model_dump(include={*PieceRequest.model_fields} - elsewhere)
        settings = {name: value for name, value in plain.items() if value is not None}
        settings |= {"bars": request.bars, "sampling": request.sampling.model_dump()}
        settings |= {"rollover": self.limits.context, "begins": self.prompt.text}
        fields = header_fields(request)
        return settings | ({"fields": fields} if fields else {})

    @property
    def digest(self) -> str:
        """sha256 of all that decides what is written: equal digests mean the same piece."""
        settings = self.settings | {"model": self.model}
        if self.request.candidates > 1:
            settings["best_of"] = [getattr(self.request, name) for name in CHOICE]
        text = json.dumps([self.number, settings, self.prompt.titles], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def guides(self) -> list[Guide]:
        """Return the constraints on the piece while it is generated."""
        request = self.request
        if not request.steered and not request.mask and not self.choices.requested:
            return []
        return [
            QuickConstraint(
                self.limits.max_patches,
                grammar=request.steered,
                bars=request.bars,
                choices=self.choices,
            )
        ]


def place_request(request: PieceRequest, reader: FileReader | None = None) -> PlacedPrompt:
    """Return the beginning of the piece. A `reader` that is open already reads the score.

    Raises:
        PicogenError: the beginning cannot be read, or contradicts the other options.
    """
    if request.prompt and request.prompt_file:
        raise ConfigError("--prompt and --prompt-file are two prompts. Give one.")
    if request.keep_bars is not None and request.continued is None:
        raise ConfigError("--keep-bars counts bars of the score of --continue. Add --continue.")
    if request.bars is not None and request.grammar is False:
        raise ConfigError("--bars needs the grammar. Leave --no-grammar out.")
    prompt = read_prompt(request.prompt_file) if request.prompt_file else request.prompt
    fields = header_fields(request)
    if request.continued:
        if fields:
            raise ConfigError(
                "--meter, --key and --tempo belong to a new piece, and the score of --continue "
                "has its own. Leave them out."
            )
        return read_opening(request.continued, request.keep_bars, request.bars, prompt, reader)
    return place_prompt(prompt, request.bars, fields)


def header_fields(request: PieceRequest) -> dict[str, str]:
    """Return the requested header values by the letter of their field."""
    return requested_fields(request.meter, request.key, request.tempo)


def wanted_length(request: PieceRequest, prompt: PlacedPrompt, context: int) -> int:
    """Return the most patches of a piece: as requested, or what a model trained on `context` has.

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
            f"--max-length is {request.max_length}. Leave --max-length out, or give more."
        )
    return request.max_length

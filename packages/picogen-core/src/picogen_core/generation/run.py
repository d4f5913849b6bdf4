"""A request for pieces, start to finish: load, prompt, decode, write each piece when it is done."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from picogen_core.errors import ConfigError
from picogen_core.generation.decode import Limits, write
from picogen_core.generation.engines.choose import Checkpoint, Name, choose, open_engine
from picogen_core.generation.options import SamplingOptions
from picogen_core.generation.output import Score, finish, write_score
from picogen_core.generation.piece import Start
from picogen_core.generation.prompt import place_prompt
from picogen_core.model.config import ModelConfig
from picogen_core.model.folder import digest
from picogen_core.progress import Quiet, Reporter
from picogen_core.registry import registry

Rolls = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class GenerateRequest:
    """What to write, and from what. `max_length` counts patches, prompt included.

    `rollover`: what happens at the length that the model was trained on. A piece keeps its header
    and its latest lines and goes on; `auto` lets recurrent backbones run on instead, `never` ends
    the piece if it has a cache of that length and lets it run on if not.
    """

    weights_path: Path
    count: int
    sampling: SamplingOptions
    prompt: str = ""
    backbone: str | None = None
    max_length: int | None = None
    batch_size: int = 32
    seed: int = 0
    device: str = "cpu"
    engine: Name = "auto"
    rollover: Rolls = "auto"


def write_scores(
    request: GenerateRequest, folder: Path, reporter: Reporter | None = None
) -> list[Score]:
    """Write pieces 1 … count into `folder`, each as soon as it is finished; by number.

    Raises:
        PicogenError: the checkpoint, the prompt or the backbone asked for does not fit.
    """
    reporter = reporter or Quiet()
    prompt = place_prompt(request.prompt)
    checkpoint = Checkpoint(request.weights_path, reporter)
    config = checkpoint.config
    _check_backbone(request, config.backbone)
    limits, places = lengths(config, request.max_length, request.rollover)
    choice = choose(config, request.engine, request.device, request.count, reporter)
    slots = min(request.batch_size, request.count)
    engine = open_engine(checkpoint, choice, slots, places, reporter)
    settings = {
        "seed": request.seed,
        "sampling": request.sampling.model_dump(),
        "max_length": limits.max_patches,
        "rollover": limits.context,
        "prompt": request.prompt,
        "engine": choice.engine,
        "checkpoint": {"path": str(request.weights_path), "sha256": digest(request.weights_path)},
    }
    reporter.start("Writing scores", None, "patches")
    begun = time.monotonic()
    scores: dict[int, Score] = {}
    starts = (Start(k, prompt.text, request.seed) for k in range(1, request.count + 1))
    for patches, written in enumerate(write(engine, starts, request.sampling, limits), 1):
        if draft := written.draft:
            timing = {"batch": slots, "seconds": round(time.monotonic() - begun, 3)}
            score = finish(draft, prompt.titles, {**settings, **timing})
            write_score(folder, score)
            scores[draft.number] = score
        reporter.advance(patches, {"pieces": f"{len(scores)} of {request.count}"})
    reporter.finish()
    return [scores[number] for number in sorted(scores)]


def lengths(config: ModelConfig, max_length: int | None, rolls: Rolls) -> tuple[Limits, int]:
    """How far a piece may go, and how many patches a slot has to hold for that."""
    context = config.max_patches
    most = max_length or context
    recurrent = registry().get("backbone", config.backbone).spec.recurrent
    if rolls == "always" or (rolls == "auto" and not recurrent):
        return Limits(most, context if most > context else None), min(most, context)
    if not recurrent:
        most = min(most, context)
    return Limits(most), most


def _check_backbone(request: GenerateRequest, backbone: str) -> None:
    if request.backbone and request.backbone.partition("@")[0] != backbone.partition("@")[0]:
        raise ConfigError(
            f"{request.weights_path} has backbone {backbone!r}, not {request.backbone!r}. "
            f"Leave --backbone out, or give --backbone {backbone}."
        )

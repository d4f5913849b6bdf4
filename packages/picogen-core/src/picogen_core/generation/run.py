"""A request for pieces, start to finish: load, prompt, decode in batches, write each piece."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from picogen_core.devices import pick_device
from picogen_core.errors import ConfigError
from picogen_core.generation.decode import generate
from picogen_core.generation.options import SamplingOptions
from picogen_core.generation.output import Score, finish, write_score
from picogen_core.generation.prompt import place_prompt
from picogen_core.model.checkpoint import digest, load_model
from picogen_core.progress import Quiet, Reporter


@dataclass(frozen=True)
class GenerateRequest:
    """What to write, and from what. `max_length` counts patches, prompt included."""

    weights_path: Path
    count: int
    sampling: SamplingOptions
    prompt: str = ""
    backbone: str | None = None
    max_length: int | None = None
    batch_size: int = 32
    seed: int = 0
    device: str = "cpu"


def write_scores(
    request: GenerateRequest, folder: Path, reporter: Reporter | None = None
) -> list[Score]:
    """Write pieces 1 … count into `folder`, a batch at a time; what is finished stays.

    Raises:
        PicogenError: the checkpoint, the prompt or the backbone asked for does not fit.
    """
    reporter = reporter or Quiet()
    prompt = place_prompt(request.prompt)
    model = load_model(request.weights_path, pick_device(request.device), reporter)
    _check_backbone(request, model.config.backbone)
    limit = request.max_length or model.config.max_patches
    settings = {
        "seed": request.seed,
        "sampling": request.sampling.model_dump(),
        "max_length": limit,
        "prompt": request.prompt,
        "checkpoint": {"path": str(request.weights_path), "sha256": digest(request.weights_path)},
    }
    reporter.start("Writing scores", None, "patches")
    scores: list[Score] = []
    patches = 0

    def count(rows: int) -> None:
        nonlocal patches
        patches += rows
        reporter.advance(patches, {"pieces": f"{len(scores)} of {request.count}"})

    for first in range(1, request.count + 1, request.batch_size):
        numbers = range(first, min(first + request.batch_size, request.count + 1))
        begun = time.monotonic()
        drafts = generate(
            model,
            prompt.text,
            seed=request.seed,
            numbers=numbers,
            max_patches=limit,
            sampling=request.sampling,
            on_patch=count,
        )
        timing = {"batch": len(numbers), "batch_seconds": round(time.monotonic() - begun, 3)}
        for draft in drafts:
            score = finish(draft, prompt.titles, {**settings, **timing})
            write_score(folder, score)
            scores.append(score)
    count(0)
    reporter.finish()
    return scores


def _check_backbone(request: GenerateRequest, backbone: str) -> None:
    if request.backbone and request.backbone.partition("@")[0] != backbone.partition("@")[0]:
        raise ConfigError(
            f"{request.weights_path} has backbone {backbone!r}, not {request.backbone!r}. "
            f"Leave --backbone out, or give --backbone {backbone}."
        )

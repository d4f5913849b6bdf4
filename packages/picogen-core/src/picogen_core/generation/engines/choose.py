"""The choice of an engine, and its construction from a checkpoint. Loads torch only if needed."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Literal

import numpy as np

from picogen_core.errors import ConfigError
from picogen_core.generation.engines import Engine
from picogen_core.generation.request.options import EngineName
from picogen_core.model.config import ModelConfig
from picogen_core.model.locate import Checkpoint
from picogen_core.plugins.protocols import VerifyingHead
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Reporter

FEW = 64  # pieces; for more, importing torch and looking for an accelerator pays


@dataclass(frozen=True)
class EngineChoice:
    """An engine, and the device on which torch computes."""

    engine: Literal["torch", "numba"]
    device: str


def choose(
    config: ModelConfig, engine: EngineName, device: str, pieces: int, reporter: Reporter
) -> EngineChoice:
    """Return numba wherever possible: on a CPU it is faster than torch for one piece and for many.

    It needs the numba package, a head with a compiled form, and the CPU. For many pieces `auto`
    first looks for an accelerator.

    Raises:
        ConfigError: numba was requested and is not possible.
    """
    if engine == "torch":
        return EngineChoice("torch", device)
    obstacle = _obstacle(config, device)
    if engine == "numba" and obstacle:
        raise ConfigError(f"--engine numba: {obstacle}. Use --engine torch.")
    if obstacle:
        if device in ("auto", "cpu"):
            reporter.message(f"Generating with torch: {obstacle}.")
        return EngineChoice("torch", device)
    if engine == "auto" and device == "auto" and pieces > FEW and importlib.util.find_spec("torch"):
        from picogen_core.runtime.devices import pick_device

        found = pick_device("auto").type
        if found != "cpu":
            return EngineChoice("torch", found)
    return EngineChoice("numba", "cpu")


def _obstacle(config: ModelConfig, device: str) -> str:
    """Return what prevents numba with this model; "" if nothing does."""
    if device not in ("auto", "cpu"):
        return f"it computes on the CPU, not on {device}"
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed (pip install numba makes it several times faster)"
    entry = registry().get("head", config.head)
    if entry.spec.compiled_step is None:
        return f"{entry.where} has no compiled form"
    try:
        importlib.import_module("picogen_core.compiled")
    except ImportError as error:  # such as a numpy of another version
        return f"numba cannot be loaded ({error})"
    return ""


def open_engine(
    checkpoint: Checkpoint, choice: EngineChoice, slots: int, capacity: int, reporter: Reporter
) -> Engine:
    """Return the engine, compiled and ready. `capacity` is the capacity of a slot in patches.

    Raises:
        PicogenError: the checkpoint is damaged, or the backbone has fewer positions.
    """
    if choice.engine == "torch":
        from picogen_core.generation.engines.torch import TorchEngine
        from picogen_core.runtime.devices import pick_device

        return TorchEngine(checkpoint.model(pick_device(choice.device)), slots, capacity)
    from picogen_core.compiled.jit import when_compiling

    text = "Compiling the decoder for this machine; only the first time."
    with when_compiling(lambda: reporter.message(text)):
        engine = _compiled(checkpoint, slots, capacity)
        _warm_up(engine)
    return engine


def _compiled(checkpoint: Checkpoint, slots: int, capacity: int) -> Engine:
    from picogen_core.compiled.spelling import SpellingHead
    from picogen_core.compiled.weights import Weights
    from picogen_core.generation.engines.compiled import (
        CompiledEngine,
        CompiledPatches,
        PatchSide,
        SpellingEngine,
        VerifyingEngine,
        compiled_head,
    )

    config = checkpoint.config
    weights = Weights(checkpoint.arrays(), str(checkpoint.path))
    head = compiled_head(config, weights)
    patches: PatchSide
    if registry().get("backbone", config.backbone).spec.compiled_step:
        patches = CompiledPatches(config, weights, slots, capacity)
        for name in weights.part("projector."):  # only distillation uses it
            weights.take(f"projector.{name}")
        weights.refuse_leftover()
    else:
        from picogen_core.generation.engines.torch import TorchPatches

        patches = TorchPatches(checkpoint.model("cpu"), capacity)
    if isinstance(head, VerifyingHead) and head.draft_tokens:
        return VerifyingEngine(patches, head, slots)
    if isinstance(head, SpellingHead):
        return SpellingEngine(patches, head, slots)
    return CompiledEngine(patches, head, slots)


def _warm_up(engine: Engine) -> None:
    """Run every kernel once, so that all compilation happens here."""
    from picogen_core.generation.decoding.piece import ANYTHING
    from picogen_core.generation.decoding.sampling import draw
    from picogen_core.generation.request.options import SamplingOptions

    first = np.zeros(1, np.int64)
    engine.read(0, np.zeros((1, len(ANYTHING)), np.uint8))
    engine.begin(first)
    draw(engine.step(first, first), ANYTHING[:1], np.zeros(1), SamplingOptions())

"""ONNX Runtime against torch, call by call, from the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.errors import PluginError
from picogen_core.model.student import GenericStudent
from picogen_core.onnx.graphs import BACKBONE, BEGIN, NEXT, STATE, STEP
from picogen_core.trees import named_leaves

Arrays = Mapping[str, NDArray[Any]]

BATCHES, PATCHES = (1, 3), 6
TOLERANCE = 1e-4


class Session:
    """One file in ONNX Runtime, on one thread. Raises `PluginError` where that cannot run it."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors
        self.name = path.name
        with self._runnable():
            self.session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(
        self, state: Arrays, **inputs: NDArray[Any]
    ) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        with self._runnable():
            first, *rest = self.session.run(self.outputs, {**inputs, **state})
        names = [STATE + name.removeprefix(NEXT) for name in self.outputs[1:]]
        return first, dict(zip(names, rest, strict=True))

    @contextmanager
    def _runnable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # onnxruntime has a class of its own for every code
            reason = str(error).strip().splitlines()[0][:300]
            raise PluginError(f"ONNX Runtime cannot run {self.name} ({reason}).") from error


@torch.no_grad()
def check(model: GenericStudent, folder: Path, max_patches: int) -> dict[str, float]:
    """The largest differences of hidden states and logits over a few patches and batches.

    Differences are absolute, or relative to the largest value where that is above 1.

    Raises:
        PluginError: one is above 1e-4, or what is written does not run.
    """
    rng = np.random.default_rng(0)
    backbone, begin, step = (Session(folder / name) for name in (BACKBONE, BEGIN, STEP))
    hidden_by, logits_by = [], []
    for batch in BATCHES:
        state = model.initial_state(batch, max_patches)
        given = {name: leaf.numpy().copy() for name, leaf in named_leaves(state, STATE).items()}
        for _ in range(min(PATCHES, max_patches)):
            patch = rng.integers(1, VOCABULARY, (batch, PATCH_SIZE))
            told, given = backbone(given, patch=patch)
            hidden, state = model.step(torch.from_numpy(patch), state)
            hidden_by.append(difference(told, hidden))
        logits_by += _check_head(model, begin, step, hidden, patch)
    found = {"hidden": float(np.max(hidden_by)), "logits": float(np.max(logits_by))}
    for name, value in found.items():
        if not value <= TOLERANCE:
            raise PluginError(
                f"ONNX Runtime's {name} differ from torch's by {value:.1e}, more than "
                f"{TOLERANCE:.0e}. Nothing was written."
            )
    return found


def _check_head(
    model: GenericStudent, begin: Session, step: Session, hidden: torch.Tensor, patch: NDArray[Any]
) -> list[float]:
    logits, state = model.head.begin(hidden)
    told, given = begin({}, hidden=hidden.numpy())
    found = [difference(told, logits)]
    for j in range(PATCH_SIZE - 1):
        chars = np.ascontiguousarray(patch[:, j])
        told, given = step(given, chars=chars)
        logits, state = model.head.step(torch.from_numpy(chars), state)
        found.append(difference(told, logits))
    return found


def difference(told: NDArray[Any], expected: torch.Tensor) -> float:
    """NaN if either is not finite."""
    values = expected.double().numpy()
    return float(np.abs(told - values).max() / max(1.0, np.abs(values).max()))

"""Comparison of ONNX Runtime with torch, call by call, on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from picogen_core.abc.patches import EOS, PAD, PATCH_SIZE, VOCABULARY
from picogen_core.errors import PluginError
from picogen_core.model.state_tree import named_leaves
from picogen_core.model.student import GenericStudent
from picogen_core.onnx.graphs import BACKBONE, BEGIN, CLOSE, KEPT, MEMORY, NEXT, STATE, STEP

Arrays = Mapping[str, NDArray[Any]]

BATCHES, PATCHES = (1, 3), 6
TOLERANCE = 1e-4
AGAIN = {NEXT: STATE, KEPT: MEMORY}


class OnnxSession:
    """One file in ONNX Runtime, on one thread. Raises `PluginError` if it cannot run."""

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
        """Return the first output, and the inputs of a later call by their names there."""
        with self._runnable():
            found = self.session.run(self.outputs, {**inputs, **state})
        later = {}
        for name, value in zip(self.outputs, found, strict=True):
            root, dot, rest = name.partition(".")
            if root in AGAIN:
                later[AGAIN[root] + dot + rest] = value
        return found[0], later

    @contextmanager
    def _runnable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # onnxruntime has one class per error code
            reason = str(error).strip().splitlines()[0][:300]
            raise PluginError(f"ONNX Runtime cannot run {self.name} ({reason}).") from error


@torch.no_grad()
def check(model: GenericStudent, folder: Path, max_patches: int) -> dict[str, float]:
    """Return the largest differences of hidden states and logits over a few patches and batches.

    Differences are absolute, or relative to the largest value if that is above 1.

    Raises:
        PluginError: a difference is above 1e-4, or a graph does not run.
    """
    rng = np.random.default_rng(0)
    backbone = OnnxSession(folder / BACKBONE)
    head = _Head(model, folder, max_patches)
    hidden_by, logits_by = [], []
    for batch in BATCHES:
        state = model.initial_state(batch, max_patches)
        given = {name: leaf.numpy().copy() for name, leaf in named_leaves(state, STATE).items()}
        head.start(batch)
        for _ in range(min(PATCHES, max_patches)):
            patch = rng.integers(EOS + 1, VOCABULARY, (batch, PATCH_SIZE))
            output, given = backbone(given, patch=patch)
            hidden, state = model.step(torch.from_numpy(patch), state)
            hidden_by.append(difference(output, hidden))
            logits_by += head.write(hidden, _ended(patch, rng))
    found = {"hidden": float(np.max(hidden_by)), "logits": float(np.max(logits_by))}
    for name, value in found.items():
        if not value <= TOLERANCE:
            raise PluginError(
                f"ONNX Runtime's {name} differ from torch's by {value:.1e}, more than "
                f"{TOLERANCE:.0e}. Nothing was written."
            )
    return found


def _ended(patch: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the patches, each with a random end and padding after it."""
    places = np.arange(PATCH_SIZE)
    end = rng.integers(1, PATCH_SIZE, len(patch))[:, None]
    return np.where(places < end, patch, np.where(places == end, EOS, PAD))


class _Head:
    """The graphs of the head beside torch's head; both remember, if the head does."""

    def __init__(self, model: GenericStudent, folder: Path, max_patches: int) -> None:
        self._model, self._max_patches = model, max_patches
        self._begin, self._step = OnnxSession(folder / BEGIN), OnnxSession(folder / STEP)
        self._close = OnnxSession(folder / CLOSE) if (folder / CLOSE).is_file() else None

    def start(self, batch: int) -> None:
        self._memory = self._model.initial_memory(batch, self._max_patches)
        leaves = named_leaves(self._memory, MEMORY)
        self._kept = {name: leaf.numpy().copy() for name, leaf in leaves.items()}

    def write(self, hidden: torch.Tensor, patch: NDArray[np.int64]) -> list[float]:
        """Return the differences at each place of a patch."""
        head = self._model.speller
        logits, state = head.begin(hidden, self._memory)
        output, given = self._begin(self._kept, hidden=hidden.numpy())
        found = [difference(output, logits)]
        for j in range(PATCH_SIZE - 1):
            chars = np.ascontiguousarray(patch[:, j])
            output, given = self._step(given, chars=chars)
            logits, state = head.step(torch.from_numpy(chars), state)
            found.append(difference(output, logits))
        if self._close:
            self._memory = head.close(torch.from_numpy(patch), state)
            _, self._kept = self._close(given, patch=patch)
        return found


def difference(found: NDArray[Any], expected: torch.Tensor) -> float:
    """Return the largest difference; NaN if either is not finite."""
    values = expected.double().numpy()
    return float(np.abs(found - values).max() / max(1.0, np.abs(values).max()))

"""The same GRUs without torch, so that `picogen generate` need not load it.

Glossary: N rows, D width, L layers; r, z, n the gates as torch stacks them.
"""

import numpy as np
from numpy.typing import NDArray
from picogen_core.compiled.weights import Floats, Weights

from picogen_gru.options import GruOptions


class CompiledGru:
    """A `CompiledBackbone`; its states are [slots, L, D].

    Rows are taken one by one: then those of a slot come in their order, and the bits of a row
    cannot depend on the others of a call.

    Raises:
        BadCheckpoint: a tensor is missing or has another shape.
    """

    def __init__(self, options: GruOptions, d_model: int, weights: Weights) -> None:
        def norm(name: str) -> tuple[Floats, Floats]:
            return weights.take(f"{name}.weight", d_model), weights.take(f"{name}.bias", d_model)

        def linear(layer: int, kind: str) -> tuple[Floats, Floats]:
            gru = weights.part(f"grus.{layer}.")
            matrix = gru.take(f"weight_{kind}_l0", 3 * d_model, d_model)
            return matrix, gru.take(f"bias_{kind}_l0", 3 * d_model)

        self.layers = [
            (norm(f"norms.{i}"), linear(i, "ih"), linear(i, "hh")) for i in range(options.layers)
        ]
        self.last_norm, self.d_model = norm("last_norm"), d_model

    def allocate(self, slots: int, max_patches: int) -> None:
        self.states = np.zeros((slots, len(self.layers), self.d_model), np.float32)

    def clear(self, slot: int) -> None:
        self.states[slot] = 0

    def copy(self, source: int, target: int) -> None:
        self.states[target] = self.states[source]

    def extend(self, x: Floats, slots: NDArray[np.int64]) -> Floats:
        return np.stack([self._step(row, self.states[s]) for row, s in zip(x, slots, strict=True)])

    def _step(self, x: Floats, states: Floats) -> Floats:
        """[D] -> [D]; the states [L, D] of the row's slot go on."""
        for (norm, given, kept), state in zip(self.layers, states, strict=True):
            r, z, n = np.split(given[0] @ _layer_norm(x, *norm) + given[1], 3)
            state_r, state_z, state_n = np.split(kept[0] @ state + kept[1], 3)
            new = np.tanh(n + _sigmoid(r + state_r) * state_n)
            state[:] = new + _sigmoid(z + state_z) * (state - new)
            x = x + state
        return _layer_norm(x, *self.last_norm)


def _layer_norm(x: Floats, weight: Floats, bias: Floats) -> Floats:
    normal: Floats = (x - x.mean()) / np.sqrt(x.var() + np.float32(1e-5)) * weight + bias
    return normal


def _sigmoid(x: Floats) -> Floats:
    """Without an exponential that overflows."""
    share: Floats = 0.5 + 0.5 * np.tanh(0.5 * x)
    return share

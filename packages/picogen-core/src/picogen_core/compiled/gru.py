"""The cell of a GRU (Cho et al. 2014, arXiv:1406.1078), as torch defines it."""

# mypy: allow-untyped-defs

from __future__ import annotations

from picogen_core.compiled.jit import kernel
from picogen_core.compiled.maths import sigmoid, tanh


@kernel
def cell(inputs, hidden, memory):
    """[N, 3W] from the input and [N, 3W] from the memory, gates r, z, n; memory [N, W] in place."""
    rows, width = memory.shape
    for r in range(rows):
        for i in range(width):
            reset = sigmoid(inputs[r, i] + hidden[r, i])
            keep = sigmoid(inputs[r, width + i] + hidden[r, width + i])
            new = tanh(inputs[r, 2 * width + i] + reset * hidden[r, 2 * width + i])
            memory[r, i] = new + keep * (memory[r, i] - new)

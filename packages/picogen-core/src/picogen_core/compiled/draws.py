"""`picogen_core.compiled.draw_code` compiled: for rows of logits, and for other kernels to call.

N rows  V = 128 codes
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np

from picogen_core.compiled import draw_code as draws
from picogen_core.compiled.jit import kernel

draw_code = kernel(draws.draw_code)
nll_of = kernel(draws.nll_of)


@kernel
def draw_rows(
    logits, allowed, uniforms, temperature, top_k, top_p, min_p, temperature_last, codes
):  # fmt: skip
    """Sample one code per row of logits [N, V], by its row of `allowed` and its uniform."""
    order = np.empty(logits.shape[1], np.int64)
    work = np.empty((3, logits.shape[1]), np.float64)
    for row in range(logits.shape[0]):
        codes[row] = draw_code(
            logits[row], allowed[row], uniforms[row], temperature, top_k, top_p, min_p,
            temperature_last, order, work,
        )  # fmt: skip


@kernel
def nll_rows(logits, codes, nats):
    """Compute the negative log-likelihoods `nats` [N] of codes [N] under logits [N, V]."""
    for row in range(logits.shape[0]):
        nats[row] = nll_of(logits[row], codes[row])

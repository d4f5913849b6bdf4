"""Functions of transformers' Mamba-2 layers by device: CUDA kernels, or the scan of `ssd`.

transformers decides once, at import. If `mamba_ssm` or `causal_conv1d` can be imported, it calls
their kernels for tensors on any device, and CPU tensors crash them. Here the device of the first
argument decides at each call.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from transformers.models.mamba2 import modeling_mamba2

from picogen_backbones import ssd

NAMES = (
    "causal_conv1d_fn",
    "causal_conv1d_update",
    "mamba2_chunk_scan",
    "mamba2_selective_state_update",
    "mamba2_split_conv1d_scan_combined",
)


def by_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` (transformers' kernel wrapper) for CUDA tensors, else its plain version.

    The plain version of the scan is ours.
    """
    plain = inspect.unwrap(function)
    if plain.__name__ == "mamba2_chunk_scan":
        plain = for_one_group(plain)

    @functools.wraps(plain)
    def chosen(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return (function if tensor.is_cuda else plain)(tensor, *args, **kwargs)

    chosen.kernel = function  # type: ignore[attr-defined]
    return chosen


def for_one_group(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return `ssd.chunk_scan` for one group of B, `plain` for more."""

    @functools.wraps(plain)
    def scan(x: Any, dt: Any, A: Any, B: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return (ssd.chunk_scan if B.shape[2] == 1 else plain)(x, dt, A, B, *args, **kwargs)

    return scan


def install() -> None:
    """Wrap the functions that transformers' Mamba-2 layers call in `by_device`, once."""
    for name in NAMES:
        function = getattr(modeling_mamba2, name)
        if not hasattr(function, "kernel"):
            setattr(modeling_mamba2, name, by_device(function))

"""Device and precision of computations."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from picogen_core.errors import ConfigError

Autocast = AbstractContextManager[object]
"""A context in which torch computes in another precision; reusable."""


def pick_device(name: str) -> torch.device:
    """Return a device; `auto` is CUDA, MPS, or the CPU. Raises `ConfigError` if it is missing."""
    mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
        known = device.type in ("cpu", "cuda", "mps")
    except RuntimeError:
        known = False
    if not known:
        raise ConfigError(f"device={name!r}: use auto, cpu, cuda or mps.") from None
    if (device.type == "cuda" and not torch.cuda.is_available()) or (
        device.type == "mps" and not mps
    ):
        raise ConfigError(f"device={name!r}: this machine has none. Use --device cpu.")
    return device


def autocast(precision: str, device: torch.device) -> Autocast:
    """Return a reusable bf16 autocast, or a null context.

    `auto` uses bf16 on CUDA alone: on a CPU without bf16 matrix units it ran at 0.7 to 0.8 times
    the speed of fp32.
    """
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" else "fp32"
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()

"""Optimizers by name, learning-rate schedule, and optimizer state as tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

Group = dict[str, Any]

OPTIMIZERS: dict[str, Callable[[list[Group], float], Optimizer]] = {
    "adamw": lambda groups, lr: AdamW(groups, lr=lr, betas=(0.9, 0.95)),
    "sgd": lambda groups, lr: SGD(groups, lr=lr),
}


def make_optimizer(name: str, model: nn.Module, lr: float, weight_decay: float) -> Optimizer:
    """Return one of `OPTIMIZERS` over the trained parameters; weight decay on matrices only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups: list[Group] = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[name]([group for group in groups if group["params"]], lr)


def learning_rate(peak: float, warmup: float, fraction: float) -> float:
    """Return the rate: linear warm-up over a share `warmup`, then a cosine to a twentieth."""
    if fraction < warmup:
        return peak * max(fraction / warmup, 1e-2)
    done = (fraction - warmup) / (1 - warmup)
    return peak * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


def pack_optimizer(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return moments and step counts by `parameter number / name`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}/{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
    }


def unpack_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore the state from `pack_optimizer`. Raises `ValueError` if a shape differs."""
    shapes = [p.shape for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split("/")
        if int(index) >= len(shapes) or tensor.shape not in (shapes[int(index)], torch.Size([])):
            raise ValueError(f"{name} has shape {list(tensor.shape)}")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})

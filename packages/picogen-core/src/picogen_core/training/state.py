"""What a run needs besides the model to go on exactly where it stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from picogen_core.model.student import GenericStudent

STATE = "training.safetensors"


@dataclass
class Progress:
    """Where a run stands: steps, epochs and batches of the epoch done, seconds, best loss."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    characters: int = 0
    best: float = float("inf")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_optimizer(model: GenericStudent, lr: float, weight_decay: float) -> AdamW:
    """AdamW, betas 0.9 and 0.95; weight decay on matrices only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=lr, betas=(0.9, 0.95))


def pack_optimizer(optimizer: AdamW) -> dict[str, Tensor]:
    """Moments and step counts by `parameter number / name`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}/{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
    }


def unpack_optimizer(optimizer: AdamW, tensors: dict[str, Tensor]) -> None:
    """Put back what `pack_optimizer` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})

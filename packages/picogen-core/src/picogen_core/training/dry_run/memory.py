"""Less memory or more speed for any model, without a change to its code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from picogen_core.model.student import GenericStudent


def recompute_layers(model: GenericStudent) -> None:
    """Recompute each layer in the backward pass, so that only its input is kept.

    Layers are the members of the outermost `ModuleList`s of backbone and head. A part without one
    is a single layer. Dropout draws the same numbers again.
    """
    for part in (model.backbone, model.head):
        for layer in list(_layers(part)) or [part]:
            layer.forward = _recomputed(layer.forward)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else _layers(child)


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run


def compile_parts(model: GenericStudent) -> None:
    """Apply torch.compile in place, so that tensor names stay; sequence lengths are dynamic."""
    for part in (model.backbone, model.head):
        part.compile(dynamic=True)

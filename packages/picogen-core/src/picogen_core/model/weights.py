"""A model from tensors: built without drawing what is thrown away, filled without copying."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from picogen_core.errors import BadCheckpoint, PicogenError, reason
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent

# Of torch.nn.init and of Tensor; by name, since transformers puts its own in their place.
_DRAWS = {
    "normal_", "uniform_", "trunc_normal_", "orthogonal_",
    "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_",
}  # fmt: skip


_TOO_LARGE = "its configuration is of a larger model than its weights. Is it a whole copy?"


class _WithoutDraws(TorchFunctionMode):
    """Parameters keep the memory they were given: not drawn, not even touched. Buffers are made as
    ever, since those that are not stored come from nowhere else."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in _DRAWS:
            tensor = args[0] if args else given["tensor"]
            if isinstance(tensor, nn.Parameter):
                return tensor
        return func(*args, **given)


def build_unset(config: ModelConfig, shapes: Mapping[str, Sequence[int]]) -> GenericStudent:
    """The model with its parameters' memory reserved and their values undefined.

    It is given up as soon as it has more tensors or numbers than a file of these `shapes` could
    fill, since a configuration of a few bytes may claim any size.

    Raises:
        BadCheckpoint: that, or a size that cannot be built.
    """
    try:
        with _WithoutDraws(), _bounded(shapes):
            return GenericStudent(config)
    except PicogenError:
        raise
    except Exception as error:  # a size can make torch raise anything
        raise BadCheckpoint(f"its model cannot be built: {reason(error)}") from None


@contextmanager
def _bounded(shapes: Mapping[str, Sequence[int]]) -> Iterator[None]:
    """Within the block modules hold little more than what `shapes` have."""
    tensors = 2 * len(shapes) + 64
    numbers = 2 * sum(math.prod(shape) for shape in shapes.values()) + (1 << 20)
    modules = 32 * tensors

    def count_parameter(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal tensors, numbers
        tensors -= 1
        numbers -= 0 if parameter is None else parameter.numel()
        if tensors < 0 or numbers < 0:
            raise BadCheckpoint(_TOO_LARGE)

    def count_module(module: nn.Module, name: str, child: nn.Module | None) -> None:
        nonlocal modules
        modules -= 1
        if modules < 0:
            raise BadCheckpoint(_TOO_LARGE)

    hooks = (
        register_module_parameter_registration_hook(count_parameter),
        register_module_module_registration_hook(count_module),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def fill(model: GenericStudent, tensors: Mapping[str, Tensor], *, share: bool) -> GenericStudent:
    """The model, in evaluation mode, with the values of `tensors` in its own precision.

    With `share` a tensor that has that precision already becomes the parameter itself.
    """
    own = model.state_dict()
    fitting = {name: tensor.to(own[name].dtype) for name, tensor in tensors.items()}
    model.load_state_dict(fitting, assign=share)
    return model.eval()


def check_tensors(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Raises `BadCheckpoint` for the first tensor that is missing, extra, of another shape, or of
    whole numbers where the model has others."""
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise BadCheckpoint(
                f"{source}: tensor {name} is missing. Is it a checkpoint of this model?"
            )
        if tensors[name].shape != tensor.shape:
            raise BadCheckpoint(
                f"{source}: tensor {name} has shape {list(tensors[name].shape)}, "
                f"the model needs {list(tensor.shape)}."
            )
        if tensors[name].is_floating_point() != tensor.is_floating_point():
            kind = str(tensors[name].dtype).removeprefix("torch.")
            raise BadCheckpoint(f"{source}: tensor {name} is of {kind}, the model's is not.")
    extra = sorted(set(tensors) - set(wanted))
    if extra:
        raise BadCheckpoint(
            f"{source}: {len(extra)} tensors that the model has not, first {extra[0]}."
        )

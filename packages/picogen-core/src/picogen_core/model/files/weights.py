"""A model from tensors: built without random initialisation, filled without copying."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from picogen_core.errors import BadCheckpoint, PicogenError, reason
from picogen_core.model.config import WEIGHTS, ModelConfig
from picogen_core.model.files.folder import read_config, read_shapes
from picogen_core.model.files.pth import check_finite
from picogen_core.model.student import GenericStudent

# Initialisers of torch.nn.init and Tensor; by name, since transformers replaces them.
_DRAWS = {
    "normal_", "uniform_", "trunc_normal_", "orthogonal_",
    "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_",
}  # fmt: skip


_TOO_LARGE = "its configuration is of a larger model than its weights. Is it a whole copy?"


class _WithoutDraws(TorchFunctionMode):
    """Mode in which parameters keep their uninitialised memory.

    Buffers are computed as usual, since those that are not stored have no other source.
    """

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
    """Return the model with uninitialised parameters.

    The build stops once it has more tensors or numbers than a file of these `shapes` could fill,
    since a configuration of a few bytes may claim any size.

    Raises:
        BadCheckpoint: the model is larger than `shapes`, or cannot be built.
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
    """Context that limits the modules built in it to little more than `shapes`."""
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
    """Return the model in evaluation mode, with the values of `tensors` in its own precision.

    With `share`, a tensor of the same precision becomes the parameter itself.
    """
    own = model.state_dict()
    fitting = {name: tensor.to(own[name].dtype) for name, tensor in tensors.items()}
    model.load_state_dict(fitting, assign=share)
    return model.eval()


def load_folder(folder: Path, *, share: bool = False) -> GenericStudent:
    """Return the model of a checkpoint folder, in evaluation mode and float32.

    With `share` it maps the file, which has to be one that never changes, as those of the cache.

    Raises:
        BadCheckpoint: tensors that are missing, extra, of another shape or not finite.
        ConfigError: an option in its configuration does not fit.
    """
    config = read_config(folder)
    hint = "Delete it; it will be made again." if share else "Is it a whole copy?"
    try:
        model = build_unset(config, read_shapes(folder / WEIGHTS))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise BadCheckpoint(f"{folder}: cannot be read ({error}). {hint}") from None
    except PicogenError as error:
        fault = str(error).replace("Is it a whole copy?", hint)
        raise BadCheckpoint(fault if str(folder) in fault else f"{folder}: {fault}") from None
    check_tensors(model, tensors, folder / WEIGHTS)
    if not share:
        for name, tensor in tensors.items():
            check_finite(name, tensor, folder / WEIGHTS)
    return fill(model, tensors, share=share)


def check_tensors(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Raise `BadCheckpoint` for the first tensor that is missing, extra or misshapen.

    A tensor of integers where the model has floats is refused too.
    """
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
            f"{source}: {len(extra)} tensors are not in the model, first {extra[0]}."
        )

"""Shared code of the checks of compiled steps, and the common properties of backbones and heads.

They run on the CPU alone, and do not apply to a spec without a `compiled_step`. Tensors are as in a
checkpoint, below the prefix of their part, beside those of another.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from picogen_core.compiled.weights import Floats, Weights
from picogen_core.errors import BadCheckpoint
from picogen_core.plugins.renamed import with_new_names
from picogen_core.testing.kit import NOT_INSTALLED, Check, NotApplicable, Skipped
from picogen_core.testing.modules import ModuleSubject, module_check

BATCH = 16  # rows of the batch that a row alone is compared with
GAIN, LOUD = 8, 100  # of weights and of inputs, for exponents of hundreds
PART, OTHER = "part.", "other.weight"

# Runs in a separate process, in which torch is not loaded.
ALONE = """
import json, sys
import numpy as np
from picogen_core.compiled.weights import Weights
from picogen_core.plugins.registry import registry
from safetensors.numpy import load_file
kind, address, options, d_model, file = json.loads(sys.argv[1])
entry = registry().get(kind, address)
weights = Weights(load_file(file), file)
step = entry.spec.compiled_step(entry.options(options), d_model, weights)
slot, x = np.zeros(1, np.int64), np.zeros((1, d_model), np.float32)
if kind == "backbone":
    step.allocate(1, 1)
    step.extend(x, slot)
else:
    step.allocate(1)
    step.begin(x, slot)
    step.step(slot, slot)
loaded = [name for name in ("torch", "transformers") if name in sys.modules]
sys.exit(f"it loads {', '.join(loaded)}" if loaded else 0)
"""


def compiled_check(check: Check) -> Check:
    """Decorator of a check: not applicable without a `compiled_step`; skip without numba."""

    @functools.wraps(check)
    def run(subject: Any) -> None:
        if subject.entry.spec.compiled_step is None:
            raise NotApplicable("it has no compiled step")
        if find_spec("numba") is None:
            raise Skipped("numba is not installed")
        module_check(check)(subject)

    return run


def arrays_of(module: Any) -> dict[str, Floats]:
    """Return a module's tensors as a checkpoint passes them to a compiled step."""
    return {name: t.float().numpy().copy() for name, t in module.state_dict().items()}


def compiled(subject: ModuleSubject, arrays: Mapping[str, Floats]) -> Any:
    """Return the compiled step of these tensors."""
    return _made(subject, _weights(arrays))


def _weights(arrays: Mapping[str, Floats]) -> Weights:
    tensors = {OTHER: np.zeros(3, np.float32)}
    return Weights(tensors | {PART + name: a for name, a in arrays.items()}, "weights").part(PART)


def _made(subject: ModuleSubject, weights: Weights) -> Any:
    options = subject.entry.options(subject.options)
    step = subject.entry.spec.compiled_step(options, subject.d_model, weights)
    return with_new_names(step, subject.entry.where)


def widths(subject: ModuleSubject) -> Iterator[Any]:
    """Yield the subject, and a slightly wider one.

    Kernels that work in blocks may fail for widths that are not a multiple of a block.
    """
    yield subject
    for width in range(subject.d_model + 1, subject.d_model + 65):
        wider = replace(subject, d_model=width)
        try:
            wider.awake()(*wider.inputs(seed=0))
        except Exception:  # a plugin may raise anything for a width that does not fit its options
            continue
        yield wider
        return


def loud(module: Any) -> Any:
    """Return the module with weights so large that a naive exponential overflows."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= GAIN
    return module


def rows_of(tensor: Tensor) -> Floats:
    """Return a tensor as numpy rows."""
    array: Floats = tensor.detach().numpy()
    return array


def assert_rows(result: Any, rows: int, width: int) -> Floats:
    """Return the result of a compiled step, checked to be [rows, width] in float32."""
    kind = f"{result.dtype} {list(result.shape)}" if isinstance(result, np.ndarray) else None
    wanted = f"float32 {[rows, width]}"
    assert kind == wanted, f"it returned {kind or type(result).__name__}, not {wanted}"
    array: Floats = result
    return array


def assert_bits(actual: Floats, expected: Floats, what: str) -> None:
    """Assert equality to the last bit."""
    difference = np.abs(actual - expected).max()
    assert np.array_equal(actual, expected), f"{what}: differs by {difference:.3g}"


def tensor_of(array: Floats) -> Tensor:
    """Return an array as a tensor, for `assert_same`."""
    return torch.from_numpy(np.ascontiguousarray(array))


@compiled_check
def compiled_checks_its_weights(subject: ModuleSubject) -> None:
    """It takes every tensor of its part; a missing or misshapen one raises `BadCheckpoint`.

    The message has one line.
    """
    arrays = arrays_of(subject.awake())
    weights = _weights(arrays)
    _made(subject, weights)
    try:
        weights.refuse_leftover()
    except BadCheckpoint as error:
        raise AssertionError(f"it does not take every tensor: {error}") from None
    for name, array in arrays.items():
        others = {other: tensor for other, tensor in arrays.items() if other != name}
        _assert_refused(subject, others, f"without {name}")
        for wrong in _misshapen(array):
            shapes = f"{list(wrong.shape)} for {list(array.shape)}"
            _assert_refused(subject, {**others, name: wrong}, f"with {name} of shape {shapes}")


def _misshapen(array: Floats) -> Iterator[Floats]:
    """Yield the array longer along each axis, and with one axis more."""
    for axis in range(array.ndim):
        yield np.concatenate([array, array.take([0], axis)], axis)
    yield array[None]


def _assert_refused(subject: ModuleSubject, arrays: Mapping[str, Floats], what: str) -> None:
    try:
        compiled(subject, arrays)
    except BadCheckpoint as error:
        assert "\n" not in str(error), f"{what}: the message has several lines"
    except Exception as error:
        raise AssertionError(f"{what} it raises {error!r}, not BadCheckpoint") from error
    else:
        raise AssertionError(f"{what} it raises nothing")


@compiled_check
def compiled_loads_no_torch(subject: ModuleSubject) -> None:
    """An installed step is built and run in a process without torch and transformers."""
    entry = subject.entry
    if entry.distribution == NOT_INSTALLED:
        raise NotApplicable("it is not installed")
    options = entry.options(subject.options).model_dump(mode="json")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save_file(arrays_of(subject.build()), file)
        what = json.dumps([entry.kind, entry.address, options, subject.d_model, str(file)])
        command = [sys.executable, "-c", ALONE, what]
        done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 0, lines[-1] if lines else f"it ends with {done.returncode}"

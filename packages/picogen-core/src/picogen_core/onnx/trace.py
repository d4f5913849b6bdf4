"""A module to ONNX: traced by torch.export, layers stacked, converted."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import SymInt

from picogen_core.errors import PluginError
from picogen_core.onnx.graphs import BATCH, GraphPlan
from picogen_core.onnx.stacked import stack_layers

OPSET = 18  # ONNX Runtime 1.14 and later; torch's own translations are written in it


@torch.no_grad()
def to_onnx(plan: GraphPlan) -> Any:
    """Return the `onnx_ir.Model` of a graph, with its weights.

    Raises:
        PluginError: the module cannot be traced, or uses an operator that ONNX lacks.
    """
    with _quiet():
        program = _trace(plan)
        try:
            program = program.run_decompositions({})
            stack_layers(program)
            converted = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(plan.inputs),
                output_names=list(plan.outputs),
                dynamic_shapes=_names(plan, program),
                verbose=False,
            )
        except Exception as error:  # whatever the converter raises, the plugin's code is the cause
            raise _refusal(plan, error) from error
    assert converted is not None
    return converted.model


def _trace(plan: GraphPlan) -> torch.export.ExportedProgram:
    """Return the traced graph; code that calls `len(x)` fixes the batch, so dynamo traces it."""
    batch = torch.export.Dim(BATCH)
    axes = [
        {axis: batch if name == BATCH else torch.export.Dim.AUTO for axis, name in free.items()}
        for free in plan.axes.values()
    ]
    first, *rest = axes
    shapes = (first, tuple(rest)) if rest else (first,)
    inputs = tuple(plan.inputs.values())
    try:
        return torch.export.export(plan.module, inputs, dynamic_shapes=shapes, strict=False)
    except Exception as error:
        try:
            return torch.export.export(plan.module, inputs, dynamic_shapes=shapes, strict=True)
        except Exception:  # the same error, with dynamo's frames
            raise _refusal(plan, error) from error


def _names(plan: GraphPlan, program: torch.export.ExportedProgram) -> Any:
    """Return the names of the free axes, if tracing left them free."""
    nodes = {node.name: node for node in program.graph.nodes}
    values = [nodes[name].meta["val"] for name in program.graph_signature.user_inputs]
    first, *rest = (
        {axis: name for axis, name in free.items() if isinstance(value.shape[axis], SymInt)}
        for free, value in zip(plan.axes.values(), values, strict=True)
    )
    return (first, tuple(rest)) if rest else (first,)


def _refusal(plan: GraphPlan, error: Exception) -> PluginError:
    """Return a one-line error; its cause is the innermost one, from the plugin's code."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in re.split(r"\n", str(cause)) if line.strip()]
    reason = lines[0] if lines else type(cause).__name__
    return PluginError(
        f"{plan.call} cannot be written as ONNX ({type(cause).__name__}: {reason[:300]}). It must "
        "not read values out of a tensor and, for a free batch, take sizes from .shape."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Context without the converter's warnings on missing packages and its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

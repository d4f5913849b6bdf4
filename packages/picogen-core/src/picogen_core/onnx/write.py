"""The folder of an ONNX export: graphs, weights, the first state, and how to run them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from picogen_core.model.export_formats import check_packages
from picogen_core.model.state_tree import named_leaves
from picogen_core.model.student import GenericStudent, components
from picogen_core.onnx.check import check
from picogen_core.onnx.graphs import CLOSE, MAX_PATCHES, MEMORY, STATE, plan_graphs
from picogen_core.onnx.trace import OPSET, to_onnx
from picogen_core.runtime.files import written_aside
from picogen_core.runtime.progress import Quiet, Reporter

WEIGHTS, FIRST, FACTS, README = "weights.bin", "initial_state.npz", "model.json", "README.md"
INSIDE = 2**31 - 2**24  # a file of protobuf holds 2 GiB, the graph itself included
OUTSIDE = 2**10  # smaller tensors stay in the graph, which computes shapes with them
PAGE = 2**12  # alignment of a tensor, so that it can be mapped

_GROWING = f"""

The axis `{MAX_PATCHES}` is free too: a state with less room there is faster. More room may be added
at its end, with the values of `initial_state.npz`."""
_REMEMBERING = f"""

This head remembers the piece. `memory.…` holds finished patches. `{CLOSE}` turns the state at the
end of a patch, as `kept.…`, into the memory for the next one. A prompt is read the same way."""


def export_onnx(
    model: GenericStudent,
    folder: Path,
    max_patches: int | None = None,
    reporter: Reporter | None = None,
    inside: int = INSIDE,
) -> dict[str, Any]:
    """Write `model` into the existing `folder`; return the contents of its model.json.

    `max_patches` is the capacity of the first state, by default that of training. If a graph's
    weights take more than `inside` bytes, the three graphs share one file of weights. If
    onnxruntime is installed, the graphs are compared with torch.

    Raises:
        ConfigError: a package that writes ONNX is missing, or too many patches for the backbone.
        PluginError: a part cannot be traced, or ONNX Runtime's results differ from torch's.
        BadInput: the folder cannot be written to.
    """
    check_packages()
    reporter = reporter or Quiet()
    model = model.to("cpu").eval()
    room = max_patches or model.config.max_patches
    plans = plan_graphs(model, room)
    reporter.start("Writing ONNX graphs", len(plans), "graphs")
    graphs = {}
    for done, plan in enumerate(plans):
        reporter.advance(done, {"graph": plan.file})
        graphs[plan.file] = to_onnx(plan)
    reporter.finish()
    with written_aside(folder) as aside:
        _save(graphs, aside, inside)
        first = named_leaves(model.initial_state(1, room), STATE)
        first |= named_leaves(model.initial_memory(1, room), MEMORY)
        np.savez_compressed(aside / FIRST, **{name: leaf.numpy() for name, leaf in first.items()})
        found = check(model, aside, room) if find_spec("onnxruntime") else None
        facts = _facts(model, room, graphs, found)
        (aside / FACTS).write_text(json.dumps(facts, indent=1) + "\n")
        (aside / README).write_text(_readme(facts))
    return facts


def _save(graphs: Mapping[str, Any], folder: Path, inside: int) -> None:
    import onnx_ir

    weights = {
        name: [v for v in graph.graph.initializers.values() if v.const_value.nbytes >= OUTSIDE]
        for name, graph in graphs.items()
    }
    if max(sum(v.const_value.nbytes for v in values) for values in weights.values()) > inside:
        with (folder / WEIGHTS).open("wb") as file:
            places: dict[bytes, int] = {}
            for value in (value for values in weights.values() for value in values):
                _move_out(value, file, places)
    for name, graph in graphs.items():
        onnx_ir.save(graph, folder / name)


def _move_out(value: Any, file: Any, places: dict[bytes, int]) -> None:
    """Move a tensor to the common file, once: the head's graphs share tensors."""
    import onnx_ir

    tensor = value.const_value
    data = tensor.tobytes()
    digest = hashlib.sha256(data).digest()
    if digest not in places:
        file.write(bytes(-file.tell() % PAGE))
        places[digest] = file.tell()
        file.write(data)
    value.const_value = onnx_ir.ExternalTensor(
        WEIGHTS,
        places[digest],
        len(data),
        tensor.dtype,
        shape=tensor.shape,
        name=value.name,
        base_dir=Path(file.name).parent,
    )


def _facts(
    model: GenericStudent, room: int, graphs: Mapping[str, Any], found: dict[str, float] | None
) -> dict[str, Any]:
    def described(values: Sequence[Any]) -> list[dict[str, Any]]:
        return [
            {
                "name": value.name,
                "dtype": value.dtype.name.lower(),
                "shape": [size if isinstance(size, int) else size.value for size in value.shape],
            }
            for value in values
        ]

    return {
        "components": components(model.config),
        "d_model": model.config.d_model,
        "max_patches": room,
        "opset": OPSET,
        "graphs": {
            name: {
                "inputs": described(graph.graph.inputs),
                "outputs": described(graph.graph.outputs),
            }
            for name, graph in graphs.items()
        },
        "difference_from_torch": found,
    }


def _readme(facts: Mapping[str, Any]) -> str:
    def cell(values: Sequence[Mapping[str, Any]]) -> str:
        return ", ".join(
            f"`{v['name']}` {v['dtype']} {v['shape']}".replace("'", "") for v in values
        )

    graphs = facts["graphs"]
    rows = [f"| `{n}` | {cell(g['inputs'])} | {cell(g['outputs'])} |" for n, g in graphs.items()]
    found = facts["difference_from_torch"]
    template = Template(Path(__file__).with_name("template.md").read_text())
    return template.substitute(
        backbone=facts["components"]["backbone"]["name"],
        head=facts["components"]["head"]["name"],
        opset=facts["opset"],
        table="\n".join(rows),
        max_patches=facts["max_patches"],
        growing=_GROWING if MAX_PATCHES in str(graphs) else "",
        remembering=_REMEMBERING if CLOSE in graphs else "",
        checked=f"In ONNX Runtime, hidden states differ from torch's by {found['hidden']:.1e} at "
        f"most and logits by {found['logits']:.1e}."
        if found
        else "",
    )

"""Graph pass: stack a state's layers once instead of copying the state for each layer.

In a traced graph without in-place writes, `state[:, layer] = new` is a `select_scatter`: a copy of
all layers. With L layers that is L copies of a KV cache per step. This pass redirects the read of a
layer to its last write, and stacks the layers once if all of them were written.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true

aten = torch.ops.aten


def stack_layers(program: ExportedProgram) -> None:
    """Rewrite the graph of `program` in place; its operators must be functional."""
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        shorter = _shortened(node)
        if shorter is not None:
            _replace(program, node, shorter)
    for node in list(graph.nodes):
        layers = _written(node)
        if layers is not None:
            with graph.inserting_before(node):
                stacked = graph.call_function(aten.stack.default, (layers, node.args[2]))
            stacked.meta["val"] = node.meta["val"]
            _replace(program, node, stacked)
    graph.eliminate_dead_code()
    program.graph_module.recompile()


def _earlier(node: Any, number: int) -> Node:
    found: Node = node.args[number]
    return found


def _shortened(node: Any) -> Node | None:
    """Return an earlier node with the same values."""
    if node.target is aten.slice.Tensor and _is_whole(node, node.args[0]):
        return _earlier(node, 0)
    if node.target is aten.slice_scatter.default and _is_whole(node, node.args[1]):
        return _earlier(node, 1)
    if node.target is aten.select.int:
        source: Any
        source, dim, index = node.args
        while _is_write(source, dim) and isinstance(index, int) and index >= 0:
            _, value, _, written = source.args
            if written == index:
                found: Node = value
                return found
            source = source.args[0]
        node.args = (source, dim, index)
    return None


def _written(node: Node) -> list[Node] | None:
    """Return the layers of a tensor if all of them were overwritten."""
    dim: Any = node.args[2] if len(node.args) > 2 else None
    if not _is_write(node, dim):
        return None
    layers: dict[Any, Node] = {}
    source: Any = node
    while _is_write(source, dim):
        layers.setdefault(source.args[3], source.args[1])
        source = source.args[0]
    count = node.meta["val"].shape[dim]
    whole = isinstance(count, int) and set(layers) == set(range(count))
    return [layers[index] for index in range(count)] if whole else None


def _is_write(node: Any, dim: Any) -> bool:
    """Return whether a node is a `select_scatter` along `dim`; both counted from the front."""
    return (
        isinstance(node, Node)
        and node.target is aten.select_scatter.default
        and node.args[2] == dim
        and isinstance(dim, int)
        and dim >= 0
        and isinstance(node.args[3], int)
        and node.args[3] >= 0
    )


def _is_whole(node: Node, other: Any) -> bool:
    """Return whether a slice of step one, or its new value, has the size of the whole tensor."""
    step = 5 if node.target is aten.slice_scatter.default else 4
    if len(node.args) > step:
        return False
    shapes = zip(node.meta["val"].shape, other.meta["val"].shape, strict=True)
    return all(statically_known_true(a == b) for a, b in shapes)


def _replace(program: ExportedProgram, node: Node, other: Node) -> None:
    node.replace_all_uses_with(other)
    program.graph_signature.replace_all_uses(node.name, other.name)

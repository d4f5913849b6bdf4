"""States are trees (dicts, lists, tuples) of tensors with the batch first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Tree = TypeVar("Tree")


def tree_map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Return the tree of `function` applied to the corresponding tensors of each tree."""
    if isinstance(tree, dict):
        return {k: tree_map(function, v, *(o[k] for o in others)) for k, v in tree.items()}  # type: ignore[return-value,index]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(
            *(tree_map(function, *items) for items in zip(tree, *others, strict=True))
        )
    if isinstance(tree, (list, tuple)):
        return type(tree)(tree_map(function, *items) for items in zip(tree, *others, strict=True))
    result: Tree = function(tree, *others)
    return result


def named_leaves(tree: Any, name: str) -> dict[str, Any]:
    """Return the tensors of a tree in the order of `tree_map`, named by their path from `name`.

    Examples: `state.keys`, `state.layers.0`.
    """
    if isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        items = list(zip(tree._fields, tree, strict=True))
    elif isinstance(tree, (list, tuple)):
        items = list(enumerate(tree))
    else:
        return {name: tree}
    return {
        path: leaf
        for key, item in items
        for path, leaf in named_leaves(item, f"{name}.{key}").items()
    }


def select_rows(state: Tree, rows: Tensor) -> Tree:
    """Return the state of the given rows, in that order."""
    return tree_map(lambda tensor: tensor[rows], state)


def merge_states(states: Sequence[Tree]) -> Tree:
    """Return one state of all rows, in order. All must have the same `max_patches`."""
    import torch

    return tree_map(lambda *tensors: torch.cat(tensors), *states)

"""The graphs as modules: tensors in, tensors out, states flattened.

B rows  P = 16 characters per patch  V = 128 codes  D width
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.abc.patches import PATCH_SIZE
from picogen_core.errors import PluginError
from picogen_core.model.state_tree import named_leaves, tree_map
from picogen_core.model.student import GenericStudent, PatchEmbedding
from picogen_core.plugins.protocols import RememberingHead
from picogen_core.plugins.registry import registry

BACKBONE, BEGIN, STEP = "backbone.onnx", "head_begin.onnx", "head_step.onnx"
CLOSE = "head_close.onnx"
BATCH, MAX_PATCHES = "batch", "max_patches"
STATE, MEMORY, NEXT, KEPT = "state", "memory", "next", "kept"


class Leaves:
    """The tensors of a tree in the order of their names, which begin with `root`."""

    def __init__(self, tree: Any, root: str) -> None:
        self.names = tuple(named_leaves(tree, root))
        self._root, self._shape = root, tree_map(lambda _: None, tree)

    def tree(self, tensors: tuple[Tensor, ...]) -> Any:
        """Return a tree of copies of the tensors, since a step may write into its arguments."""
        copies = iter([tensor.clone() for tensor in tensors])
        return tree_map(lambda _: next(copies), self._shape)

    def flat(self, tree: Any) -> tuple[Tensor, ...]:
        leaves = named_leaves(tree, self._root)
        if set(leaves) != set(self.names):
            raise PluginError(
                f"the {self._root} holds {', '.join(leaves)} after a call, and "
                f"{', '.join(self.names)} before it"
            )
        return tuple(leaves[name] for name in self.names)

    def called(self, root: str) -> tuple[str, ...]:
        """Return the names with another root."""
        return tuple(root + name.removeprefix(self._root) for name in self.names)


class BackboneStep(nn.Module):
    """One more patch for every row: embedding and backbone."""

    def __init__(self, model: GenericStudent, state: Leaves) -> None:
        super().__init__()
        self.patch_embedding: PatchEmbedding = model.patch_embedding
        self.backbone, self.state = model.backbone, state

    def forward(
        self, patch: Int[Tensor, "B P"], *state: Tensor
    ) -> tuple[Float[Tensor, "B D"] | Tensor, ...]:
        # The table's rows summed one by one: ONNX has no embedding bag.
        rows = self.patch_embedding.weight[patch + self.patch_embedding.offsets]
        x = rows.sum(-2) + self.patch_embedding.bias
        hidden, after = self.backbone.step(x, self.state.tree(state))
        return (hidden, *self.state.flat(after))


class HeadGraph(nn.Module):
    """Base of the head's graphs: the head, and the tensors of its memory and state."""

    def __init__(self, model: GenericStudent, memory: Leaves, state: Leaves) -> None:
        super().__init__()
        self.head = model.head  # its parameters
        self.speller = _Held(model.speller)
        self.memory, self.state = memory, state


class HeadBegin(HeadGraph):
    """Logits of the first character of the next patch, and the head's state."""

    def forward(
        self, hidden: Float[Tensor, "B D"], *memory: Tensor
    ) -> tuple[Float[Tensor, "B V"] | Tensor, ...]:
        logits, state = self.speller.head.begin(hidden, self.memory.tree(memory))
        return (logits, *self.state.flat(state))


class HeadStep(HeadGraph):
    """Logits of the character after `chars`."""

    def forward(
        self, chars: Int[Tensor, " B"], *state: Tensor
    ) -> tuple[Float[Tensor, "B V"] | Tensor, ...]:
        logits, after = self.speller.head.step(chars, self.state.tree(state))
        return (logits, *self.state.flat(after))


class HeadClose(HeadGraph):
    """The head's memory after a whole patch."""

    def forward(self, patch: Int[Tensor, "B P"], *state: Tensor) -> tuple[Tensor, ...]:
        return self.memory.flat(self.speller.head.close(patch, self.state.tree(state)))


class _Held:
    """A holder that keeps a module from becoming a child of a second module."""

    def __init__(self, head: RememberingHead[Any, Any]) -> None:
        self.head = head


@dataclass(frozen=True)
class GraphPlan:
    """One graph to write: its file, its module, example inputs, the names of its outputs.

    `axes` names the axes of an input with free sizes. `call` names the method and its plugin.
    """

    file: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    axes: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]
    call: str


@torch.no_grad()
def plan_graphs(model: GenericStudent, max_patches: int) -> tuple[GraphPlan, ...]:
    """Return the graphs with example inputs of a few rows.

    They are backbone step, head begin, head step, and head close if the head has a memory.

    Raises:
        PluginError: a state is not a tree of tensors with the batch first.
        ConfigError: more patches than the backbone has positions for.
    """
    backbone = registry().get("backbone", model.config.backbone).where
    head = registry().get("head", model.config.head).where
    rows = 3 if max_patches == 2 else 2  # axes of one size would be taken for the same
    empty = model.initial_state(rows, max_patches)
    less = named_leaves(model.initial_state(rows, max_patches - 1), STATE)
    mixed = _tensors(empty, STATE, rows, backbone)
    memory = model.initial_memory(rows, max_patches)
    kept = _tensors(memory, MEMORY, rows, head)
    hidden = torch.zeros(rows, model.config.d_model)
    _, begun = model.speller.begin(hidden, memory)
    spelt = _tensors(begun, STATE, rows, head)

    def plan(
        file: str,
        module: nn.Module,
        call: str,
        inputs: Mapping[str, Tensor],
        outputs: tuple[str, ...],
    ) -> GraphPlan:
        free = {name: {0: BATCH} for name in inputs}
        for name in less.keys() & inputs.keys() if file == BACKBONE else ():
            sizes = zip(inputs[name].shape, less[name].shape, strict=True)
            free[name] |= {axis: MAX_PATCHES for axis, (a, b) in enumerate(sizes) if a != b}
        return GraphPlan(file, module, inputs, free, outputs, call)

    patch = torch.zeros(rows, PATCH_SIZE, dtype=torch.long)
    chars = torch.zeros(rows, dtype=torch.long)
    state, remembered, spelling = Leaves(empty, STATE), Leaves(memory, MEMORY), Leaves(begun, STATE)
    parts = model, remembered, spelling
    following = "logits", *spelling.called(NEXT)
    plans = (
        plan(
            BACKBONE,
            BackboneStep(model, state),
            f"{backbone}: step",
            {"patch": patch, **mixed},
            ("hidden", *state.called(NEXT)),
        ),
        plan(BEGIN, HeadBegin(*parts), f"{head}: begin", {"hidden": hidden, **kept}, following),
        plan(STEP, HeadStep(*parts), f"{head}: step", {"chars": chars, **spelt}, following),
    )
    if not kept:
        return plans
    whole = plan(
        CLOSE,
        HeadClose(*parts),
        f"{head}: close",
        {"patch": patch, **spelt},
        remembered.called(KEPT),
    )
    return *plans, whole


def _tensors(state: Any, root: str, rows: int, where: str) -> dict[str, Tensor]:
    leaves = named_leaves(state, root)
    for name, leaf in leaves.items():
        if not isinstance(leaf, Tensor) or leaf.shape[:1] != (rows,):
            raise PluginError(f"{where}: {name} is no tensor with the batch first.")
    return leaves

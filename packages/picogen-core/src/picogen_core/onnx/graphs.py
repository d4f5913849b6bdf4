"""The three graphs as modules: tensors in, tensors out, states flattened.

B rows  P = 16 characters a patch  V = 128 codes  D width
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
from picogen_core.model.student import GenericStudent, PatchEmbedding
from picogen_core.registry import registry
from picogen_core.trees import named_leaves, tree_map

BACKBONE, BEGIN, STEP = "backbone.onnx", "head_begin.onnx", "head_step.onnx"
BATCH, MAX_PATCHES = "batch", "max_patches"
STATE, NEXT = "state", "next"


class Graph(nn.Module):
    """Takes the tensors of a state one by one, in the order of `names`, and gives the new ones.

    They are copied on the way in, since a step may write into what it is given.
    """

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.names = tuple(named_leaves(state, STATE))
        self.shape_of_state = tree_map(lambda _: None, state)

    def tree(self, tensors: tuple[Tensor, ...]) -> Any:
        """The state as the module knows it."""
        copies = iter([tensor.clone() for tensor in tensors])
        return tree_map(lambda _: next(copies), self.shape_of_state)

    def flat(self, state: Any) -> tuple[Tensor, ...]:
        leaves = named_leaves(state, STATE)
        if set(leaves) != set(self.names):
            raise PluginError(
                f"the state holds {', '.join(leaves)} after a call, and {', '.join(self.names)} "
                "before it"
            )
        return tuple(leaves[name] for name in self.names)


class BackboneStep(Graph):
    """One more patch for every row: embedding and backbone."""

    def __init__(self, model: GenericStudent, state: Any) -> None:
        super().__init__(state)
        self.patch_embedding: PatchEmbedding = model.patch_embedding
        self.backbone = model.backbone

    def forward(
        self, patch: Int[Tensor, "B P"], *state: Tensor
    ) -> tuple[Float[Tensor, "B D"] | Tensor, ...]:
        # The table's rows summed one by one: ONNX has no embedding bag.
        rows = self.patch_embedding.weight[patch + self.patch_embedding.offsets]
        x = rows.sum(-2) + self.patch_embedding.bias
        hidden, after = self.backbone.step(x, self.tree(state))
        return (hidden, *self.flat(after))


class HeadBegin(Graph):
    """Logits of the first character of the next patch, and the head's state."""

    def __init__(self, model: GenericStudent, state: Any) -> None:
        super().__init__(state)
        self.head = model.head

    def forward(self, hidden: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B V"] | Tensor, ...]:
        logits, state = self.head.begin(hidden)
        return (logits, *self.flat(state))


class HeadStep(Graph):
    """Logits of the character after `chars`."""

    def __init__(self, model: GenericStudent, state: Any) -> None:
        super().__init__(state)
        self.head = model.head

    def forward(
        self, chars: Int[Tensor, " B"], *state: Tensor
    ) -> tuple[Float[Tensor, "B V"] | Tensor, ...]:
        logits, after = self.head.step(chars, self.tree(state))
        return (logits, *self.flat(after))


@dataclass(frozen=True)
class Plan:
    """One graph to be written: its file, its module, example inputs, the names of its outputs.

    `axes` names those axes of an input whose sizes are free. `call` is what runs, and whose it is.
    """

    file: str
    module: Graph
    inputs: Mapping[str, Tensor]
    axes: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]
    call: str


@torch.no_grad()
def plan_graphs(model: GenericStudent, max_patches: int) -> tuple[Plan, ...]:
    """Backbone step, head begin and head step, with examples of a few rows.

    Raises:
        PluginError: a state that is not a tree of tensors with the batch first.
        ConfigError: more patches than the backbone has positions for.
    """
    backbone = registry().get("backbone", model.config.backbone).where
    head = registry().get("head", model.config.head).where
    rows = 3 if max_patches == 2 else 2  # axes of one size would be taken for the same
    empty = model.initial_state(rows, max_patches)
    less = named_leaves(model.initial_state(rows, max_patches - 1), STATE)
    memory = _tensors(empty, rows, backbone)
    hidden = torch.zeros(rows, model.config.d_model)
    _, told = model.head.begin(hidden)
    spelt = _tensors(told, rows, head)

    def plan(
        file: str, module: Graph, call: str, inputs: Mapping[str, Tensor], output: str
    ) -> Plan:
        free = {name: {0: BATCH} for name in inputs}
        for name in less.keys() & inputs.keys() if file == BACKBONE else ():
            sizes = zip(inputs[name].shape, less[name].shape, strict=True)
            free[name] |= {axis: MAX_PATCHES for axis, (a, b) in enumerate(sizes) if a != b}
        outputs = (output, *(NEXT + name.removeprefix(STATE) for name in module.names))
        return Plan(file, module, inputs, free, outputs, call)

    patch = torch.zeros(rows, PATCH_SIZE, dtype=torch.long)
    chars = torch.zeros(rows, dtype=torch.long)
    step, begin, spell = BackboneStep(model, empty), HeadBegin(model, told), HeadStep(model, told)
    return (
        plan(BACKBONE, step, f"{backbone}: step", {"patch": patch, **memory}, "hidden"),
        plan(BEGIN, begin, f"{head}: begin", {"hidden": hidden}, "logits"),
        plan(STEP, spell, f"{head}: step", {"chars": chars, **spelt}, "logits"),
    )


def _tensors(state: Any, rows: int, where: str) -> dict[str, Tensor]:
    leaves = named_leaves(state, STATE)
    for name, leaf in leaves.items():
        if not isinstance(leaf, Tensor) or leaf.shape[:1] != (rows,):
            raise PluginError(f"{where}: {name} is no tensor with the batch first.")
    return leaves

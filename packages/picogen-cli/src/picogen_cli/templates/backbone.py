"""A backbone: one GRU over the patches of a piece (Cho et al., 2014).

Glossary: B rows, S patches, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from picogen_core import Backbone, BackboneSpec, Options, hookimpl
from pydantic import Field


class MyOptions(Options):
    """What `--set backbone.OPTION=VALUE` takes."""

    residual: bool = Field(True, description="Add the input to the output.")


def build(options: MyOptions, d_model: int) -> Backbone[Any]:
    """Return the module. torch is imported here, so that `picogen --help` stays fast."""
    import torch

    class Gru(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = torch.nn.GRU(d_model, d_model, batch_first=True)

        def forward(self, x):
            """[B, S, D] -> [B, S, D]. Output t depends on inputs up to t."""
            mixed = self.gru(x)[0]
            return x + mixed if options.residual else mixed

        def initial_state(self, batch, max_patches, device, dtype):
            """[B, D]: the empty state. Every tensor of a state has the rows first."""
            return torch.zeros(batch, d_model, device=device, dtype=dtype)

        def prefill(self, x, lengths, state):
            """[B, S, D], [B] -> output at the last patch of each row [B, D], and its state."""
            rows = torch.arange(len(x), device=x.device)
            mixed = self.gru(x)[0][rows, lengths - 1]  # padding behind the end never counts
            return x[rows, lengths - 1] + mixed if options.residual else mixed, mixed

        def step(self, x, state):
            """[B, D] -> [B, D]: one more patch of every row, and the new state."""
            mixed = self.gru(x[:, None], state[None].contiguous())[0][:, 0]
            return x + mixed if options.residual else mixed, mixed

    return Gru()


@hookimpl
def picogen_backbones() -> Iterator[BackboneSpec]:
    """What PiCo-Gen finds."""
    yield BackboneSpec(
        name="my-name",
        summary="One GRU: a state of one vector.",
        config=lambda: MyOptions,
        build=build,
        recurrent=True,
    )

"""A control: no sequence mixer at all. What a patch's embedding says goes straight to the head."""

from collections.abc import Iterator
from typing import Any

from picogen_core import BackboneSpec, Options, hookimpl


class NoOptions(Options):
    """Nothing to choose."""


def build(options: NoOptions, d_model: int) -> Any:
    """A `Backbone` whose state is empty."""
    import torch

    class Nothing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

        def initial_state(self, batch: int, max_patches: int, device: Any, dtype: Any) -> Any:
            return torch.zeros(batch, 0, device=device, dtype=dtype)

        def prefill(self, x: torch.Tensor, lengths: torch.Tensor, state: Any) -> Any:
            return x[torch.arange(len(x), device=x.device), lengths - 1], state

        def step(self, x: torch.Tensor, state: Any) -> Any:
            return x, state

    return Nothing()


@hookimpl
def picogen_backbones() -> Iterator[BackboneSpec]:
    yield BackboneSpec(
        name="none", summary="No mixer: a control.", config=lambda: NoOptions, build=build,
        recurrent=True,
    )  # fmt: skip

"""A head that sees the hidden state of its patch and the character before.

Glossary: N patches, D width of the model, P = 16 characters of a patch, V = 128 codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from picogen_core import Head, HeadSpec, Options, hookimpl
from pydantic import Field

CODES = 128


class MyOptions(Options):
    """What `--set head.OPTION=VALUE` takes."""

    width: int = Field(128, ge=1, description="Inner channels.")


def build(options: MyOptions, d_model: int) -> Head[Any]:
    """Return the module. torch is imported here, so that `picogen --help` stays fast."""
    import torch

    class Bigram(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = torch.nn.Linear(d_model, options.width)
            self.before = torch.nn.Embedding(CODES + 1, options.width)  # one more: nothing before
            self.logits = torch.nn.Linear(options.width, CODES)

        def guess(self, seen, before):
            return self.logits(torch.tanh(seen + self.before(before)))

        def forward(self, hidden, patch):
            """[N, D], [N, P] -> logits [N, P, V]. Position j sees characters before j."""
            before = torch.nn.functional.pad(patch[:, :-1], (1, 0), value=CODES)
            return self.guess(self.hidden(hidden)[:, None], before)

        def begin(self, hidden):
            """[N, D] -> logits of the first character [N, V], and the state."""
            seen = self.hidden(hidden)
            nothing = torch.full(hidden.shape[:1], CODES, device=hidden.device)
            return self.guess(seen, nothing), seen

        def step(self, chars, state):
            """[N] -> logits of the next character [N, V], and the state."""
            return self.guess(state, chars), state

    return Bigram()


@hookimpl
def picogen_heads() -> Iterator[HeadSpec]:
    """What PiCo-Gen finds."""
    yield HeadSpec(
        name="my-name",
        summary="The hidden state and one character before.",
        config=lambda: MyOptions,
        build=build,
    )

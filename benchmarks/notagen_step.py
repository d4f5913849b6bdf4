"""NotaGen's formulation of a training step, to time ours against; the weights are the same.

B rows  S patches of the longest row  P = 16 characters  V = 128 codes  D width  N patches kept

One-hot codes through a Linear, GPT-2 over rows of any lengths padded to the longest, GPT-2 over all
17 places of every patch, both with transformers' SDPA attention and masks, in fp32. As published
(ElectricAlexis/NotaGen, utils.py) the character decoder gets the N patches that exist; `padded`
gives it all B · (S − 1), which costs more and changes no loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from picogen_core.abc.patches import PAD, PATCH_SIZE, VOCABULARY
from picogen_core.data.batches import Batch, Sampling, collate, train_steps
from picogen_core.data.crops import crop
from picogen_core.data.prepared.store import Dataset, encode_piece, from_encoded
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent
from picogen_core.training.objective import Objective
from picogen_core.training.optimizers import make_optimizer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

HEAD = 64  # NotaGen's channels an attention head
IGNORED = -100


def student(width: int, layers: int, char_layers: int, max_patches: int) -> GenericStudent:
    """NotaGen's parts in our class: 5.4M parameters at width 256, 4 + 2 layers."""
    return GenericStudent(
        ModelConfig(
            d_model=width,
            max_patches=max_patches,
            backbone="gpt2",
            backbone_options={"layers": layers, "max_patches": max_patches},
            head="char-transformer",
            head_options={"layers": char_layers},
        )
    )


class NotaGen(nn.Module):
    """The weights of `model`, copied, in NotaGen's form."""

    def __init__(self, model: GenericStudent, padded: bool) -> None:
        super().__init__()
        options, width = model.config.backbone_options, model.config.d_model
        char_layers = model.config.head_options["layers"]
        self.padded = padded
        self.patch_embedding = nn.Linear(PATCH_SIZE * VOCABULARY, width)
        self.patches = GPT2Model(_gpt2(1, options["max_patches"], width, options["layers"]))
        self.characters = GPT2LMHeadModel(_gpt2(VOCABULARY, PATCH_SIZE + 1, width, char_layers))
        ours = model.state_dict()
        self.patch_embedding.weight.data = ours["patch_embedding.weight"].T.contiguous()
        self.patch_embedding.bias.data = ours["patch_embedding.bias"].clone()
        del self.patches.wte  # NotaGen's is never read
        self.patches.load_state_dict(_below("backbone.model.", ours))
        table = ours["head.transformer.wte.weight"]
        self.characters.load_state_dict({**_below("head.", ours), "lm_head.weight": table})

    def forward(self, patches: Tensor, mask: Tensor) -> Tensor:
        """[B, S, P], [B, S] -> mean cross-entropy of the characters that are not padding."""
        one_hot = F.one_hot(patches, VOCABULARY).to(torch.float32).flatten(2)
        embedded = self.patch_embedding(one_hot)
        encoded = self.patches(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        if self.padded:
            encoded, targets = encoded[:, :-1].flatten(0, 1), patches[:, 1:].flatten(0, 1)
        else:
            kept = mask[:, 1:] == 1
            encoded, targets = encoded[:, :-1][kept], patches[:, 1:][kept]
        codes = torch.cat([torch.ones_like(targets[:, :1]), targets], 1)
        embedded = F.embedding(codes, self.characters.transformer.wte.weight)
        loss: Tensor = self.characters(
            inputs_embeds=torch.cat([encoded[:, None], embedded[:, 1:]], 1),
            attention_mask=(codes != PAD).long(),
            labels=codes.masked_fill(codes == PAD, IGNORED),
        ).loss
        return loss


def _gpt2(codes: int, places: int, width: int, layers: int) -> GPT2Config:
    return GPT2Config(
        vocab_size=codes,
        n_positions=places,
        n_embd=width,
        n_layer=layers,
        n_head=max(1, width // HEAD),
        bos_token_id=None,
        eos_token_id=None,
        loss_type="ForCausalLM",
        attn_implementation="sdpa",
    )


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v.clone() for k, v in tensors.items() if k.startswith(prefix)}


def notagen_loss(model: NotaGen, batch: Batch) -> Tensor:
    places = torch.arange(batch.patches.shape[1])
    return model(batch.patches, (places < batch.lengths[:, None]).long())  # type: ignore[no-any-return]


def our_loss(model: GenericStudent, batch: Batch) -> Tensor:
    return Objective({})(model, batch, None, 0.0)[0]


def trainer(
    loss: Callable[[Batch], Tensor],
    optimizer: torch.optim.Optimizer,
    context: AbstractContextManager[object],
) -> Callable[[Batch], None]:
    """Forward, backward and AdamW on a batch."""

    def step(batch: Batch) -> None:
        with context:
            value = loss(batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def sides(model: GenericStudent) -> dict[str, Callable[[Batch], None]]:
    """A training step by name: ours in fp32 and bf16, NotaGen's as published and padded."""
    import contextlib

    steps = {}
    for name, kind in (("ours, fp32", "fp32"), ("ours, bf16", "bf16")):
        mine = GenericStudent(model.config).train()
        mine.load_state_dict(model.state_dict())
        context = torch.autocast("cpu", torch.bfloat16) if kind == "bf16" else None
        steps[name] = trainer(
            lambda batch, mine=mine: our_loss(mine, batch),  # type: ignore[misc]
            make_optimizer("adamw", mine, 1e-4, 0.1),
            context or contextlib.nullcontext(),
        )
    for name, padded in (("NotaGen's, as published", False), ("NotaGen's, padded", True)):
        theirs = NotaGen(model, padded).train()
        steps[name] = trainer(
            lambda batch, theirs=theirs: notagen_loss(theirs, batch),  # type: ignore[misc]
            torch.optim.AdamW(theirs.parameters(), lr=1e-4),
            contextlib.nullcontext(),
        )
    return steps


def losses(model: GenericStudent, batch: Batch) -> tuple[float, float, float]:
    """The loss of a batch in the three formulations, without dropout."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        ours = float(our_loss(model, batch))
        published, padded = (
            float(notagen_loss(NotaGen(model, padded).eval(), batch)) for padded in (False, True)
        )
    model.train(was_training)
    return ours, published, padded


def tunes_dataset(texts: list[str]) -> Dataset:
    return from_encoded([{} for _ in texts], [encode_piece(text) for text in texts])


def bucketed(data: Dataset, batch_size: int, max_patches: int, epoch: int) -> list[Batch]:
    """An epoch as `picogen train` goes through it."""
    sampling = Sampling(batch_size, 1, max_patches, seed=0)
    return [batch for ((_, batch),) in train_steps(data, None, sampling, epoch)]


def shuffled(data: Dataset, batch_size: int, max_patches: int, epoch: int) -> list[Batch]:
    """An epoch in a drawn order, whatever the lengths, as NotaGen's loader gives it."""
    order = np.random.default_rng([0, epoch]).permutation(len(data))
    return [collate([crop(data[int(i)], max_patches, None) for i in part])
            for part in _parts(order, batch_size)]  # fmt: skip


def _parts(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]

"""NotaGen as it was published, plain and slow: what PiCo-Gen has to equal and to beat.

S patches  P = 16 characters a patch  V = 128 codes  h width

A one-hot Linear embedding, transformers' GPT-2 over the embedded patches, and a GPT-2 over the
characters of each patch. Generation encodes the whole prefix again for every patch, runs all 16
character steps whether a patch has ended or not, and keeps no cache. Parameters have NotaGen's
names, so that `torch.save({"model": model.state_dict()}, path)` is a file as its trainer writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

P, V = 16, 128
PAD, BOS, EOS = 0, 1, 2
FIRST_COUNTER = [ord(character) for character in "[r:0/"]

Draw = Callable[[Tensor], int]
"""[V] logits -> a code."""


def greedy(logits: Tensor) -> int:
    """The most probable code."""
    return int(logits.argmax())


def _gpt2(width: int, layers: int, positions: int, vocabulary: int) -> GPT2Config:
    return GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=width // 64,
        bos_token_id=None,
        eos_token_id=None,
    )


class PatchLevelDecoder(nn.Module):
    def __init__(self, width: int, layers: int, context: int) -> None:
        super().__init__()
        self.patch_embedding = nn.Linear(P * V, width)
        nn.init.normal_(self.patch_embedding.weight, std=0.02)
        self.base = GPT2Model(_gpt2(width, layers, context, 1))

    def forward(self, patches: Tensor) -> Tensor:
        """[S, P] -> [S, h]; the hidden state of patch t predicts patch t + 1."""
        one_hot = F.one_hot(patches, V).to(self.patch_embedding.weight.dtype).flatten(-2)
        embedded = self.patch_embedding(one_hot)
        return self.base(inputs_embeds=embedded[None]).last_hidden_state[0]


class CharLevelDecoder(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.base = GPT2LMHeadModel(_gpt2(width, layers, P + 1, V))

    def forward(self, hidden: Tensor, characters: Tensor) -> Tensor:
        """[N, h], [N, J ≤ P] -> logits [N, J + 1, V]; position j predicts character j."""
        embedded = self.base.transformer.wte(characters)
        inputs = torch.cat([hidden[:, None], embedded], 1)
        return self.base(inputs_embeds=inputs).logits


class NotaGenReference(nn.Module):
    def __init__(self, width: int, patch_layers: int, char_layers: int, context: int) -> None:
        super().__init__()
        self.context = context
        self.patch_level_decoder = PatchLevelDecoder(width, patch_layers, context)
        self.char_level_decoder = CharLevelDecoder(width, char_layers)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[S, P] of one piece -> hidden [S, h], logits [S − 1, P + 1, V], loss in nats a character.

        All characters of patches 1 … S − 1 that are not padding count.
        """
        hidden = self.patch_level_decoder(patches)
        targets = patches[1:]
        logits = self.char_level_decoder(hidden[:-1], targets)
        counted = targets != PAD
        return hidden, logits, F.cross_entropy(logits[:, :P][counted], targets[counted])

    def draw_patch(
        self, patches: Sequence[Sequence[int]], forced: list[int], draw: Draw
    ) -> list[int]:
        """All 16 characters of the next patch; it begins with `forced`."""
        hidden = self.patch_level_decoder(torch.tensor(patches))[-1:]
        patch = list(forced)
        while len(patch) < P:
            characters = torch.tensor([patch], dtype=torch.long)
            patch.append(draw(self.char_level_decoder(hidden, characters)[0, -1]))
        return patch

    @torch.no_grad()
    def generate(
        self, prompt: Sequence[Sequence[int]], count: int, draw: Draw = greedy
    ) -> list[list[int]]:
        """At most `count` patches after `prompt`, 0 behind an EOS. The last is the closing one,
        BOS and EOS, if the model closes the piece. All has to fit into the context."""
        patches, written = [list(patch) for patch in prompt], []
        in_body = any(text_of(patch).startswith("[r:") for patch in patches)
        while len(written) < count:
            patch = self.draw_patch(patches, [], draw)
            if not in_body and text_of(patch).startswith("[r:"):
                in_body = True
                patch = self.draw_patch(patches, FIRST_COUNTER, draw)
            closes = patch[:2] == [BOS, EOS]
            if EOS in patch:
                end = patch.index(EOS) + 1
                patch = patch[:end] + [PAD] * (P - end)
            patches.append(patch)
            written.append(patch)
            if closes:
                break
        return written


def text_of(patch: Sequence[int]) -> str:
    """What NotaGen prints of a patch: the characters before EOS that are neither PAD nor BOS."""
    end = patch.index(EOS) if EOS in patch else len(patch)
    return "".join(chr(code) for code in patch[:end] if code > EOS)

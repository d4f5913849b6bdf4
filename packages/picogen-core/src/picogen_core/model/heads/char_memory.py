"""A GRU over the characters of a patch, then attention to all earlier characters of the piece.

    N patches  B rows (pieces)  S patches of a row  T characters of the longest row
    C characters in all  P = 16 characters per patch  V = 128 codes  D width of the model
    W width of the head  L layers  H attention heads
    K channels of a key and of a value, over all heads  Y = 2K channels of a pair
    R = window + P places of a ring  X: any number

The GRU is that of `char-gru`: x_0 = tanh(start(hidden)), x_j = GRU(embed(c_j), x_{j−1}). So each
place of a piece has a state x before its character c is known. A key-value pair, made of x and c,
records which character followed which state. Place t attends to the pairs of the `window` places
before it, and so finds earlier similar states and their characters. Half of the channels of queries
and keys are rotated by the number of the patch, so that distance counts too. So a piece can quote
itself exactly with any backbone: a learnt form of the n-gram cache (Grave et al. 2017,
arXiv:1612.04426; induction heads, Olsson et al. 2022, arXiv:2209.11895). Padding within patches has
no place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.abc.patches import PAD, PATCH_SIZE, VOCABULARY
from picogen_core.model.by_length import by_length, written
from picogen_core.model.heads.attend import attend, attend_to, turned, turns

Memory = dict[str, Tensor]
State = dict[str, Tensor]
Turns = tuple[Tensor, Tensor]


class Places(NamedTuple):
    """Positions of the C characters of a batch, patch after patch, without padding."""

    patch: Int[Tensor, " C"]  # of the N
    char: Int[Tensor, " C"]  # within its patch
    row: Int[Tensor, " C"]
    place: Int[Tensor, " C"]  # within its row
    rows: int
    longest: int

    def spread(self, flat: Float[Tensor, "C X"]) -> Float[Tensor, "B T X"]:
        """Return the values by row and place, 0 after a row's end."""
        grid = flat.new_zeros(self.rows, self.longest, flat.shape[1])
        grid[self.row, self.place] = flat
        return grid


def find_places(patch: Int[Tensor, "N P"], row: Int[Tensor, " N"], rows: int) -> Places:
    """Return the places of all characters. Patches of one row are adjacent and in order."""
    n, char = (patch != PAD).nonzero(as_tuple=True)
    of = row[n]
    counts = torch.bincount(of, minlength=rows)
    place = torch.arange(len(of), device=of.device) - (counts.cumsum(0) - counts)[of]
    return Places(n, char, of, place, rows, int(counts.max()) if rows else 0)


class Recall(nn.Module):
    """One layer: attention to earlier pairs, then an MLP, each added to the state."""

    def __init__(self, width: int, channels: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.channels, self.heads = channels, heads
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * channels, bias=False)
        self.project_char = nn.Linear(width, 2 * channels, bias=False)
        self.out = nn.Linear(channels, width, bias=False)
        self.up, self.down = nn.Linear(width, mlp), nn.Linear(mlp, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.out.weight, std=0.02)

    def query(
        self, x: Float[Tensor, "B W"], by: Turns
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B Y"]]:
        """Return the query of a state, and its part of the pair, which the character completes."""
        query, part = self.project(self.norm(x)).tensor_split([self.channels], -1)
        return turned(query, by, self.heads), part

    def pair(
        self, part: Float[Tensor, "B Y"], came: Float[Tensor, "B W"], by: Turns
    ) -> Float[Tensor, "B Y"]:
        """Return key and value of a place, whose character has the embedding `came`."""
        key, value = (part + self.project_char(came)).chunk(2, -1)
        return torch.cat([turned(key, by, self.heads), value], -1)

    def query_all(
        self, x: Float[Tensor, "C W"], chars: Int[Tensor, " C"], embed: nn.Embedding, by: Turns
    ) -> Float[Tensor, "C X"]:
        """Return `query` and `pair` of many places: queries, keys and values side by side.

        A character's part is one of V rows, each computed once.
        """
        table = F.pad(self.project_char(embed.weight), (self.channels, 0))
        parts = self.project(self.norm(x)) + F.embedding(chars, table)
        both, values = parts.tensor_split([2 * self.channels], -1)
        return torch.cat([turned(both, by, 2 * self.heads), values], -1)

    def add(self, x: Float[Tensor, "C W"], seen: Float[Tensor, "C K"]) -> Float[Tensor, "C W"]:
        """Return the state plus the result of attention, and the MLP."""
        x = x + self.dropout(self.out(seen))
        result: Tensor = x + self.dropout(self.down(F.silu(self.up(self.norm_mlp(x)))))
        return result


class CharMemory(nn.Module):
    """A `RememberingHead`.

    The memory is a dict: pairs [B, L, R, Y], that of place t at t mod R, and the places and patches
    so far, count and index [B]. Within a patch the state also has the GRU's cell [B, W], place [B],
    and part [B, L, P, Y], the state's part of the pair of each place of the patch. `step` writes
    the patch's pairs to unused places of the memory. So a memory stays valid if a patch is begun
    from it, one at a time.
    """

    def __init__(
        self,
        d_model: int,
        width: int,
        layers: int,
        channels: int,
        heads: int,
        mlp: int,
        window: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.window, self.channels = window, channels
        self.start = nn.Linear(d_model, width)
        self.embed = nn.Embedding(VOCABULARY, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.recall = nn.ModuleList(
            Recall(width, channels, heads, mlp, dropout) for _ in range(layers)
        )
        self.readout = nn.Linear(width, VOCABULARY)
        self.head_channels = channels // heads

    def forward(
        self,
        hidden: Float[Tensor, "N D"],
        patch: Int[Tensor, "N P"],
        row: Int[Tensor, " N"],
        index: Int[Tensor, " N"],
    ) -> Float[Tensor, "N P V"]:
        """Return teacher-forced logits, 0 at padding."""
        places = find_places(patch, row, int(row[-1]) + 1 if len(row) else 0)
        chars = patch[places.patch, places.char]
        x = self._spell(hidden, patch)[places.patch, places.char]
        by = turns(index[places.patch], self.head_channels)
        for layer in self._layers():
            x = self._attended(layer, x, layer.query_all(x, chars, self.embed, by), places)
        found = self.readout(x)
        logits = found.new_zeros(*patch.shape, VOCABULARY)
        logits[places.patch, places.char] = found
        return logits  # type: ignore[no-any-return]

    def initial_memory(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> Memory:
        """Return an empty memory; short pieces need less than the window."""
        places = min(self.window, max_patches * PATCH_SIZE) + PATCH_SIZE
        shape = batch, len(self.recall), places, 2 * self.channels
        return {
            "pairs": torch.zeros(shape, device=device, dtype=dtype),
            "count": torch.zeros(batch, device=device, dtype=torch.long),
            "index": torch.zeros(batch, device=device, dtype=torch.long),
        }

    def read(
        self,
        hidden: Float[Tensor, "B S D"],
        patches: Int[Tensor, "B S P"],
        lengths: Int[Tensor, " B"],
        memory: Memory,
    ) -> Memory:
        """Return the memory with the pairs of whole patches, computed at once."""
        rows, count = patches.shape[:2]
        there = torch.arange(count, device=patches.device) < lengths[:, None]
        patch = torch.where(there[..., None], patches, PAD).flatten(0, 1)
        row = torch.arange(rows, device=patches.device).repeat_interleave(count)
        places = find_places(patch, row, rows)
        chars = patch[places.patch, places.char]
        x = self._spell(hidden.flatten(0, 1), patch)[places.patch, places.char]
        ring = memory["pairs"].shape[2]
        total = torch.bincount(places.row, minlength=rows)
        kept = places.place >= total[places.row] - ring
        pairs = memory["pairs"].clone()
        by = turns(places.patch % count + 1, self.head_channels)
        for number, layer in enumerate(self._layers()):
            projected = layer.query_all(x, chars, self.embed, by)
            new = projected[kept, self.channels :].to(pairs.dtype)
            pairs[places.row[kept], number, places.place[kept] % ring] = new
            if number + 1 < len(self.recall):
                x = self._attended(layer, x, projected, places)
        return {"pairs": pairs, "count": total, "index": lengths.clone()}

    def begin(
        self, hidden: Float[Tensor, "B D"], memory: Memory
    ) -> tuple[Float[Tensor, "B V"], State]:
        first = self._first(hidden)
        rows, layers = first.shape[0], len(self.recall)
        state = {
            **memory,
            "index": memory["index"] + 1,
            "cell": first,
            "place": torch.zeros(rows, dtype=torch.long, device=first.device),
            "part": first.new_zeros(rows, layers, PATCH_SIZE, 2 * self.channels),
        }
        return self._look(first, state), state

    def step(self, chars: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        """Return logits after a character; at most 15 steps after `begin`."""
        self._remember(chars, state["place"], state)
        weights = self.gru.all_weights[0]
        cell = torch.gru_cell(self.embed(chars), state["cell"], *weights)
        state = {**state, "place": state["place"] + 1, "cell": cell}
        return self._look(cell, state), state

    def close(self, patch: Int[Tensor, "B P"], state: State) -> Memory:
        length = written(patch)
        last = (length - 1).clamp(min=0)
        self._remember(patch.gather(1, last[:, None])[:, 0], last, state)
        return {
            "pairs": state["pairs"],
            "count": state["count"] + length,
            "index": state["index"],
        }

    def _layers(self) -> Iterator[Recall]:
        yield from self.recall  # type: ignore[misc]

    def _first(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, "N W"]:
        # Under autocast the product is bfloat16; the recurrence keeps the weights' type.
        return torch.tanh(self.start(hidden)).to(self.embed.weight.dtype)

    def _spell(
        self, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N P"]
    ) -> Float[Tensor, "N P W"]:
        """Return the GRU's states before each character."""

        def spell(first: Tensor, patch: Tensor) -> Tensor:
            later, _ = self.gru(self.embed(patch[:, :-1]), first[None])
            return torch.cat([first[:, None], later], 1)

        first = self._first(hidden)
        return by_length(spell, first, patch) if first.device.type == "cpu" else spell(first, patch)

    def _attended(
        self,
        layer: Recall,
        x: Float[Tensor, "C W"],
        projected: Float[Tensor, "C X"],
        places: Places,
    ) -> Float[Tensor, "C W"]:
        """Return the states after a layer."""
        queries, pairs = places.spread(projected).tensor_split([self.channels], -1)
        seen = attend(queries, pairs, layer.heads, self.window)
        return layer.add(x, seen[places.row, places.place])

    def _remember(self, chars: Int[Tensor, " B"], place: Int[Tensor, " B"], state: State) -> None:
        """Write the pairs of a place of the patch."""
        rows = torch.arange(chars.shape[0], device=chars.device)
        at = (state["count"] + place) % state["pairs"].shape[2]
        by, came = turns(state["index"], self.head_channels), self.embed(chars)
        for number, layer in enumerate(self._layers()):
            pair = layer.pair(state["part"][rows, number, place], came, by)
            state["pairs"][rows, number, at] = pair.to(state["pairs"].dtype)

    def _look(self, x: Float[Tensor, "B W"], state: State) -> Float[Tensor, "B V"]:
        """Return logits at the state's place; store each layer's part of its pair in the state."""
        rows = torch.arange(x.shape[0], device=x.device)
        here, ring = state["count"] + state["place"], state["pairs"].shape[2]
        # Ring place r holds the newest place of the piece with r mod R, `age` places ago.
        age = (here[:, None] - 1 - torch.arange(ring, device=x.device)) % ring + 1
        seen = (age <= self.window) & (age <= here[:, None])
        by = turns(state["index"], self.head_channels)
        for number, layer in enumerate(self._layers()):
            query, state["part"][rows, number, state["place"]] = layer.query(x, by)
            pairs = state["pairs"][:, number].to(x.dtype)
            x = layer.add(x, attend_to(query, pairs, seen, layer.heads))
        result: Tensor = self.readout(x)
        return result

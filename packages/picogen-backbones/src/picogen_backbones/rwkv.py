"""RWKV-7 "Goose" (x070) in plain torch: trained in chunks, run as a recurrence.

Peng et al. 2025, "RWKV-7 'Goose' with Expressive Dynamic State Evolution", arXiv:2503.14456. Names
and shapes of the tensors are those of the official checkpoints, without `emb` and `head`; so is the
initialisation (RWKV-LM, RWKV-v7/train_temp).

    B rows  S patches  D width  H heads  K channels per head (D = H·K)  L layers  r receptance
    w decay in (0, 1)  k key  v value  S state [K of v, K of k], one per head
    κ key to remove, of length 1
    η how much of it is replaced ("in-context learning rate"), in (0, 1)
    a = −κ and b = κ·η, so that  S_t = S_{t−1} (diag(w_t) + a_t b_tᵀ) + v_t k_tᵀ,  o_t = S_t r_t

The last line is computed in wkv.py.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from picogen_backbones.options import RwkvOptions, rwkv_heads
from picogen_backbones.wkv import Heads, Memory, wkv_chunked, wkv_loop

State = dict[str, Tensor]
Patches = Float[Tensor, "B S D"]
Vectors = Float[Tensor, "B D"]
Lengths = Int[Tensor, " B"]
Valid = Bool[Tensor, "B S"]

MAX_DECAY = -math.exp(-0.5)  # log w lies between this and 0


class Mix(torch.autograd.Function):
    """Blends of x with its predecessor, one per share of the latter; `last` precedes the first.

    The gradient is written out, since memory traffic dominates the time.
    """

    @staticmethod
    def forward(ctx: Any, x: Patches, last: Vectors, *shares: nn.Parameter) -> tuple[Patches, ...]:
        change = torch.cat([last[:, None].to(x.dtype), x[:, :-1]], 1).sub_(x)
        ctx.save_for_backward(change, *shares)
        ctx.last_dtype = last.dtype
        return tuple(torch.addcmul(x, change, share.to(x.dtype)) for share in shares)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Patches) -> tuple[Tensor, ...]:
        change, *shares = ctx.saved_tensors
        d_x, d_change, product = (torch.zeros_like(change) for _ in range(3))
        d_shares = []
        for grad, share in zip(grads, shares, strict=True):
            d_x += grad
            d_change.addcmul_(grad, share.to(grad.dtype))
            d_shares.append(torch.mul(grad, change, out=product).sum((0, 1), keepdim=True))
        d_x -= d_change
        d_x[:, :-1] += d_change[:, 1:]
        d_last = d_change[:, 0].to(ctx.last_dtype)
        return d_x, d_last, *(d.to(s.dtype) for d, s in zip(d_shares, shares, strict=True))


class SquaredRelu(torch.autograd.Function):
    """relu(x)², with a backward pass that reads memory once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        kept = x.relu()
        ctx.save_for_backward(kept)
        return kept.square()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (kept,) = ctx.saved_tensors
        return torch.addcmul(grad.new_zeros(()), grad, kept, value=2)


class TimeMix(nn.Module):
    """The recurrence, in place of attention; its input blends this patch with the one before."""

    def __init__(self, d_model: int, heads: int, layer: int, layers: int, chunk: int) -> None:
        super().__init__()
        self.heads, self.size, self.chunk = heads, d_model // heads, chunk
        left = 1 - layer / layers
        channel = torch.arange(d_model) / d_model

        def share(power: float) -> nn.Parameter:
            return _row(1 - channel ** (power * left))

        self.x_r, self.x_w, self.x_k = share(0.2), share(0.9), share(0.7)
        self.x_v, self.x_a, self.x_g = share(0.7), share(0.9), share(0.2)

        linear = torch.arange(d_model) / (d_model - 1) - 0.5
        within = torch.arange(d_model) % self.size / ((self.size - 1) / 2) - 1
        zigzag = within * within.abs()
        depth = layer / max(1, layers - 1)
        self.w0 = _row(-5.5 + 6 * (linear + 0.5) ** (1 + depth**0.3) + 2.5 * zigzag)
        self.w1, self.w2 = _low_rank(d_model, 2.5)
        self.a0 = _row(-0.19 + 0.3 * zigzag + 0.4 * linear)
        self.a1, self.a2 = _low_rank(d_model, 2.5)
        if layer:  # the others mix in the first layer's values
            self.v0 = _row(0.73 - 0.4 * linear)
            self.v1, self.v2 = _low_rank(d_model, 1.7)
        self.g1, self.g2 = _low_rank(d_model, 5.0)
        self.k_k = _row(0.71 - 0.1 * linear)
        self.k_a = _row(torch.full((d_model,), 1.02))
        self.r_k = nn.Parameter(torch.full((heads, self.size), -0.04))
        self.receptance = _linear(d_model, d_model, 0.5)
        self.key = _linear(d_model, d_model, 0.05)
        self.value = _linear(d_model, d_model, 0.5)
        self.output = _linear(d_model, d_model, 0.0)
        self.ln_x = nn.GroupNorm(heads, d_model, eps=64e-5)
        nn.init.constant_(self.ln_x.weight, ((1 + layer) / layers) ** 0.7)

    def forward(
        self, x: Patches, last: Vectors, state: Memory, first_v: Patches | None, valid: Valid | None
    ) -> tuple[Patches, Memory, Patches]:
        """Return output, the state after the last valid patch, and the first layer's values."""
        shares = self.x_r, self.x_w, self.x_k, self.x_v, self.x_a, self.x_g
        x_r, x_w, x_k, x_v, x_a, x_g = Mix.apply(x, last, *shares)  # type: ignore[no-untyped-call]
        r, k, v = self.receptance(x_r), self.key(x_k), self.value(x_v)
        log_w = MAX_DECAY * torch.sigmoid((self.w0 + torch.tanh(x_w @ self.w1) @ self.w2).float())
        eta = torch.sigmoid(self.a0 + (x_a @ self.a1) @ self.a2)
        gate = torch.sigmoid(x_g @ self.g1) @ self.g2
        if first_v is None:
            first_v = v
        else:
            share = torch.sigmoid(self.v0 + (x_v @ self.v1) @ self.v2)
            v = v + (first_v - v) * share

        def by_head(y: Patches) -> Heads:
            return y.view(*y.shape[:2], self.heads, self.size).float()

        kappa = F.normalize(by_head(k * self.k_k), dim=-1)
        k = k * torch.addcmul(1 - self.k_a, eta, self.k_a)
        r, log_w, k, v, eta = (by_head(y) for y in (r, log_w, k, v, eta))
        if valid is not None:
            padding = ~valid[:, :, None, None]
            log_w, k, v, kappa = (y.masked_fill(padding, 0) for y in (log_w, k, v, kappa))
        with torch.autocast(x.device.type, enabled=False):
            streams = r, log_w, k, v, -kappa, kappa * eta, state.float()
            single = x.shape[1] == 1
            mixed, state = wkv_loop(*streams) if single else wkv_chunked(*streams, self.chunk)
            weight, bias = self.ln_x.weight.float(), self.ln_x.bias.float()
            flat = mixed.flatten(0, 1).flatten(1)
            mixed = F.group_norm(flat, self.heads, weight, bias, self.ln_x.eps).view(r.shape)
            mixed = mixed + (r * k * self.r_k.float()).sum(-1, keepdim=True) * v
        return self.output(mixed.flatten(2).to(gate.dtype) * gate), state, first_v


class ChannelMix(nn.Module):
    """Squared ReLU, in place of the MLP; its input blends this patch with the one before."""

    def __init__(self, d_model: int, ffn: int, layer: int, layers: int) -> None:
        super().__init__()
        channel = torch.arange(d_model) / d_model
        self.x_k = _row(1 - channel ** ((1 - layer / layers) ** 4))
        self.key = _linear(d_model, ffn, 0.5)
        self.value = _linear(ffn, d_model, 0.0)

    def forward(self, x: Patches, last: Vectors) -> Patches:
        (mixed,) = Mix.apply(x, last, self.x_k)  # type: ignore[no-untyped-call]
        result: Tensor = self.value(SquaredRelu.apply(self.key(mixed)))  # type: ignore[no-untyped-call]
        return result


class Block(nn.Module):
    def __init__(self, d_model: int, options: RwkvOptions, heads: int, layer: int) -> None:
        super().__init__()
        self.ln0 = nn.LayerNorm(d_model) if layer == 0 else None
        self.ln1, self.ln2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.att = TimeMix(d_model, heads, layer, options.layers, options.chunk)
        self.ffn = ChannelMix(d_model, options.ffn or 4 * d_model, layer, options.layers)

    def forward(
        self,
        x: Patches,
        state: State,
        first_v: Patches | None,
        lengths: Lengths,
        valid: Valid | None,
    ) -> tuple[Patches, State, Patches]:
        """Return output, this layer's state (no axis L) at `lengths`, the first layer's values."""
        if self.ln0 is not None:
            x = self.ln0(x)
        att = self.ln1(x)
        mixed, wkv, first_v = self.att(att, state["att"], state["wkv"], first_v, valid)
        x = x + mixed
        ffn = self.ln2(x)
        x = x + self.ffn(ffn, state["ffn"])
        return x, {"att": _at_end(att, lengths), "wkv": wkv, "ffn": _at_end(ffn, lengths)}, first_v


class Rwkv(nn.Module):
    """RWKV-7: [B, S, D] -> [B, S, D] of any length. The state is a dict of fixed size:

    att, ffn [B, L, D] the last inputs of the two mixers, wkv [B, L, H, K, K] (float32 throughout).

    Raises:
        ConfigError: d_model is not a multiple of head_size.
    """

    def __init__(self, options: RwkvOptions, d_model: int) -> None:
        super().__init__()
        heads = rwkv_heads(d_model, options)
        self.state_shape = options.layers, heads, options.head_size
        self.blocks = nn.ModuleList(
            Block(d_model, options, heads, layer) for layer in range(options.layers)
        )
        self.ln_out = nn.LayerNorm(d_model)

    def forward(self, x: Patches) -> Patches:
        return self._run(x, self.initial_state(len(x), 0, x.device, x.dtype))[0]

    def initial_state(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        layers, heads, size = self.state_shape
        vectors = torch.zeros(batch, layers, heads * size, device=device, dtype=dtype)
        memory = torch.zeros(batch, layers, heads, size, size, device=device, dtype=torch.float32)
        return {"att": vectors, "wkv": memory, "ffn": vectors.clone()}

    def prefill(self, x: Patches, lengths: Lengths, state: State) -> tuple[Vectors, State]:
        """Return outputs and state, 1 ≤ lengths ≤ S; the empty `state` is not changed."""
        hidden, state = self._run(x, state, lengths)
        return _at_end(hidden, lengths), state

    def step(self, x: Vectors, state: State) -> tuple[Vectors, State]:
        hidden, state = self._run(x[:, None], state)
        return hidden[:, 0], state

    def _run(
        self, x: Patches, state: State, lengths: Lengths | None = None
    ) -> tuple[Patches, State]:
        valid = None
        if lengths is None:
            lengths = torch.full(x.shape[:1], x.shape[1], device=x.device)
        else:
            valid = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
            x = x.masked_fill(~valid[:, :, None], 0)
        first_v, states = None, []
        for layer, block in enumerate(self.blocks):
            before = {name: part[:, layer] for name, part in state.items()}
            x, after, first_v = block(x, before, first_v, lengths, valid)
            states.append(after)
        stacked = {
            name: torch.stack([after[name] for after in states], 1).to(part.dtype)
            for name, part in state.items()
        }
        return self.ln_out(x), stacked


def _at_end(x: Patches, lengths: Lengths) -> Vectors:
    return x[torch.arange(x.shape[0], device=x.device), lengths - 1]


def _row(values: Float[Tensor, " D"]) -> nn.Parameter:
    return nn.Parameter(values.reshape(1, 1, -1))


def _linear(fan_in: int, fan_out: int, scale: float) -> nn.Linear:
    linear = nn.Linear(fan_in, fan_out, bias=False)
    nn.init.uniform_(linear.weight, -scale / math.sqrt(fan_in), scale / math.sqrt(fan_in))
    return linear


def _low_rank(d_model: int, factor: float) -> tuple[nn.Parameter, nn.Parameter]:
    """Return [D, R] zeros and [R, D] orthogonal: R = factor·√D in steps of 32, at least 32."""
    rank = max(32, round(factor * math.sqrt(d_model) / 32) * 32)
    second = torch.empty(rank, d_model)
    nn.init.orthogonal_(second, gain=0.1 * max(1.0, math.sqrt(rank / d_model)))
    return nn.Parameter(torch.zeros(d_model, rank)), nn.Parameter(second)

"""Options of the backbones, and the checks that need the model's width. Loads no torch."""

from typing import NamedTuple

from picogen_core import ConfigError, Options
from pydantic import Field

from picogen_backbones import __version__

HEAD_SIZE = 64


class LlamaOptions(Options):
    layers: int = Field(6, ge=1, le=1024, description="Decoder layers.")
    heads: int | None = Field(
        None,
        ge=1,
        le=8192,
        description="Query heads; default: one per 64 channels of d_model.",
    )
    kv_heads: int | None = Field(
        None,
        ge=1,
        le=8192,
        description="Heads of keys and values (grouped queries); default: as many as heads.",
    )
    ffn: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="Width of the gated MLP; default: 8/3 of d_model, up to a multiple of 32.",
    )
    rope_theta: float = Field(
        10_000.0, gt=0, le=1e12, description="Base of the rotary position frequencies."
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Dropout of the attention weights, the only one.",
    )


class Gpt2Options(Options):
    layers: int = Field(6, ge=1, le=1024, description="Decoder layers.")
    heads: int | None = Field(
        None,
        ge=1,
        le=8192,
        description="Attention heads; default: one per 64 channels of d_model.",
    )
    max_patches: int = Field(
        1024,
        ge=1,
        le=1_048_576,
        description="Rows of the learned position table: the longest piece, in patches.",
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Dropout of inputs, attention weights and residual branches."
    )


class QwenOptions(LlamaOptions):
    head_size: int | None = Field(
        None,
        ge=2,
        le=65536,
        multiple_of=2,
        description="Channels per head; default: d_model / heads.",
    )


class MambaOptions(Options):
    layers: int = Field(
        6, ge=1, le=1024, description="Blocks; each has half the parameters of a Llama layer."
    )
    head_size: int = Field(
        HEAD_SIZE, ge=1, le=65536, description="Channels per head (headdim of mamba-ssm)."
    )
    state_size: int = Field(
        64,
        ge=1,
        le=65536,
        description="Size of the state per channel (d_state of mamba-ssm).",
    )
    expand: int = Field(2, ge=1, le=256, description="Inner width, in multiples of d_model.")
    conv_kernel: int = Field(
        4, ge=2, le=4, description="Width of the convolution in patches (d_conv of mamba-ssm)."
    )
    chunk: int = Field(
        64, ge=1, le=256, description="Patches that the parallel form mixes at once; speed only."
    )


class RwkvOptions(Options):
    layers: int = Field(6, ge=1, le=1024, description="Blocks of time mixing and channel mixing.")
    head_size: int = Field(
        HEAD_SIZE,
        ge=2,
        le=65536,
        description="Channels per head; its state is head_size × head_size.",
    )
    ffn: int | None = Field(
        None, ge=1, le=1_048_576, description="Width of the channel mixing; default: 4 · d_model."
    )
    chunk: int = Field(
        32, ge=1, le=64, description="Patches that the parallel form solves at once; speed only."
    )


def llama_sizes(d_model: int, options: LlamaOptions) -> tuple[int, int, int]:
    """Return (heads, kv_heads, ffn).

    Raises:
        ConfigError: d_model, heads and kv_heads do not fit together.
    """
    heads = _whole_heads("llama", d_model, options.heads, even=True)
    return heads, _kv_heads("llama", heads, options.kv_heads), options.ffn or _gated_mlp(d_model)


class QwenSizes(NamedTuple):
    """Sizes of the model; `heads · head_size` need not be d_model."""

    heads: int
    kv_heads: int
    head_size: int
    ffn: int


def qwen_sizes(d_model: int, options: QwenOptions) -> QwenSizes:
    """Return the sizes. Raises `ConfigError` if they do not fit together."""
    if options.head_size is None:
        heads = _whole_heads("qwen", d_model, options.heads, even=True)
        size = d_model // heads
    else:
        heads = options.heads or max(1, d_model // HEAD_SIZE)
        size = options.head_size
    kv_heads = _kv_heads("qwen", heads, options.kv_heads)
    return QwenSizes(heads, kv_heads, size, options.ffn or _gated_mlp(d_model))


def gpt2_heads(d_model: int, options: Gpt2Options) -> int:
    """Return the attention heads. Raises `ConfigError` if they do not divide d_model."""
    return _whole_heads("gpt2", d_model, options.heads)


def mamba_heads(d_model: int, options: MambaOptions) -> int:
    """Return the number of heads. Raises `ConfigError` if they do not fill the inner width."""
    inner, size = options.expand * d_model, options.head_size
    if inner % size:
        raise _fault(
            "mamba",
            f"backbone.expand · d_model = {inner} is not a multiple of",
            "head_size",
            size,
            _divisor(inner, size),
            d_model,
        )
    return inner // size


def rwkv_heads(d_model: int, options: RwkvOptions) -> int:
    """Return the number of heads. Raises `ConfigError` if they do not fill d_model."""
    size = options.head_size
    if d_model % size:
        raise _fault(
            "rwkv",
            f"d_model={d_model} is not a multiple of",
            "head_size",
            size,
            _divisor(d_model, size),
            d_model,
        )
    return d_model // size


def _gated_mlp(d_model: int) -> int:
    """Return 8/3 of d_model, rounded up to a multiple of 32."""
    return -(-8 * d_model // (3 * 32)) * 32


def _kv_heads(backbone: str, heads: int, kv_heads: int | None) -> int:
    kv_heads = kv_heads or heads
    if heads % kv_heads:
        what, instead = f"heads={heads} is not a multiple of", _divisor(heads, kv_heads)
        raise _fault(backbone, what, "kv_heads", kv_heads, instead)
    return kv_heads


def _whole_heads(backbone: str, d_model: int, heads: int | None, even: bool = False) -> int:
    heads = heads or max(1, d_model // HEAD_SIZE)
    if d_model % heads:
        divisor = _divisor(d_model, heads)
        raise _fault(
            backbone, f"d_model={d_model} is not a multiple of", "heads", heads, divisor, d_model
        )
    if even and d_model // heads % 2:
        raise ConfigError(
            f"d_model={d_model} / backbone.heads={heads} is {d_model // heads} channels per head; "
            f"rotary positions need an even number ({_where(backbone)}). "
            f"Try another d_model, or --set backbone.heads=N."
        )
    return heads


def _fault(
    backbone: str, what: str, option: str, value: int, instead: int, d_model: int | None = None
) -> ConfigError:
    widths = "" if d_model is None else f"{-(-d_model // value) * value}, or "
    return ConfigError(
        f"{what} backbone.{option}={value} ({_where(backbone)}). "
        f"Try {widths}--set backbone.{option}={instead}."
    )


def _where(backbone: str) -> str:
    return f"backbone {backbone!r}, picogen-backbones {__version__}"


def _divisor(number: int, near: int) -> int:
    """Return the largest divisor of `number` up to `near`."""
    return next(d for d in range(min(near, number), 0, -1) if number % d == 0)

"""The entry point: the backbones. Their modules load torch, so they are imported when built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from picogen_core import BackboneSpec, Script, ShippedWeights, hookimpl

from picogen_backbones.options import (
    Gpt2Options,
    LlamaOptions,
    MambaOptions,
    QwenOptions,
    RwkvOptions,
)

if TYPE_CHECKING:
    from picogen_core.compiled.transformer import Transformer
    from picogen_core.compiled.weights import Weights
    from torch import Tensor

    from picogen_backbones.cached import CachedDecoder
    from picogen_backbones.compiled.mamba import CompiledMamba
    from picogen_backbones.compiled.rwkv import CompiledRwkv
    from picogen_backbones.gpt2 import Gpt2
    from picogen_backbones.llama import Llama
    from picogen_backbones.mamba import Mamba
    from picogen_backbones.qwen import Qwen
    from picogen_backbones.rwkv import Rwkv


def _shipped(**summaries: str) -> dict[str, ShippedWeights]:
    """The folders in weights/ that are named so, as far as they are there."""
    root = Path(__file__).parent / "weights"
    found = [(root / name.replace("_", "-"), summary) for name, summary in summaries.items()]
    return {folder.name: ShippedWeights(folder, text) for folder, text in found if folder.is_dir()}


def _gpt2(options: Gpt2Options, d_model: int) -> Gpt2:
    from picogen_backbones.gpt2 import Gpt2

    return Gpt2(d_model, options)


def _llama(options: LlamaOptions, d_model: int) -> Llama:
    from picogen_backbones.llama import Llama

    return Llama(d_model, options)


def _mamba(options: MambaOptions, d_model: int) -> Mamba:
    from picogen_backbones.mamba import Mamba

    return Mamba(d_model, options)


def _qwen(options: QwenOptions, d_model: int) -> Qwen:
    from picogen_backbones.qwen import Qwen

    return Qwen(d_model, options)


def _rwkv(options: RwkvOptions, d_model: int) -> Rwkv:
    from picogen_backbones.rwkv import Rwkv

    return Rwkv(d_model, options)


def _compiled_gpt2(options: Gpt2Options, d_model: int, weights: Weights) -> Transformer:
    from picogen_backbones.compiled.attention import gpt2

    return gpt2(options, d_model, weights)


def _compiled_llama(options: LlamaOptions, d_model: int, weights: Weights) -> Transformer:
    from picogen_backbones.compiled.attention import llama

    return llama(options, d_model, weights)


def _compiled_mamba(options: MambaOptions, d_model: int, weights: Weights) -> CompiledMamba:
    from picogen_backbones.compiled.mamba import CompiledMamba

    return CompiledMamba(options, d_model, weights)


def _compiled_qwen(options: QwenOptions, d_model: int, weights: Weights) -> Transformer:
    from picogen_backbones.compiled.attention import qwen

    return qwen(options, d_model, weights)


def _compiled_rwkv(options: RwkvOptions, d_model: int, weights: Weights) -> CompiledRwkv:
    from picogen_backbones.compiled.rwkv import CompiledRwkv

    return CompiledRwkv(options, d_model, weights)


def _script_llama(options: LlamaOptions, d_model: int) -> Script:
    from picogen_backbones import scripts

    return scripts.llama(options, d_model)


def _script_mamba(options: MambaOptions, d_model: int) -> Script:
    from picogen_backbones import scripts

    return scripts.mamba(options, d_model)


def _script_qwen(options: QwenOptions, d_model: int) -> Script:
    from picogen_backbones import scripts

    return scripts.qwen(options, d_model)


def _script_rwkv(options: RwkvOptions, d_model: int) -> Script:
    from picogen_backbones import scripts

    return scripts.rwkv(options, d_model)


def _write_hf(backbone: CachedDecoder | Mamba, table: Tensor, folder: Path) -> str:
    from picogen_backbones.export import write_hf

    return write_hf(backbone, table, folder)


def _write_mamba_ssm(backbone: Mamba, table: Tensor, folder: Path) -> str:
    from picogen_backbones.export import write_mamba_ssm

    return write_mamba_ssm(backbone, table, folder)


def _write_rwkv(backbone: Rwkv, table: Tensor, folder: Path) -> str:
    from picogen_backbones.export import write_rwkv

    return write_rwkv(backbone, table, folder)


@hookimpl
def picogen_backbones() -> Iterator[BackboneSpec]:
    yield BackboneSpec(
        name="gpt2",
        summary="GPT-2 (transformers): learned positions; what NotaGen is",
        config=lambda: Gpt2Options,
        build=_gpt2,
        compiled_step=_compiled_gpt2,
        export={"hf": _write_hf},
    )
    yield BackboneSpec(
        name="llama",
        summary="Llama (transformers): rotary positions, gated MLP, RMSNorm",
        config=lambda: LlamaOptions,
        build=_llama,
        compiled_step=_compiled_llama,
        script=_script_llama,
        export={"hf": _write_hf},
        weights=_shipped(tunes_llama="the same with a Llama backbone"),
    )
    yield BackboneSpec(
        name="mamba",
        summary="Mamba-2 (transformers): a state of fixed size; mamba-ssm's kernels on CUDA",
        config=lambda: MambaOptions,
        build=_mamba,
        compiled_step=_compiled_mamba,
        script=_script_mamba,
        recurrent=True,
        export={"hf": _write_hf, "mamba-ssm": _write_mamba_ssm},
        weights=_shipped(tunes_mamba="the same with a Mamba-2 backbone"),
    )
    yield BackboneSpec(
        name="qwen",
        summary="Qwen3 (transformers): Llama with normalised queries and keys",
        config=lambda: QwenOptions,
        build=_qwen,
        compiled_step=_compiled_qwen,
        script=_script_qwen,
        export={"hf": _write_hf},
        weights=_shipped(tunes_qwen="the same with a Qwen3 backbone"),
    )
    yield BackboneSpec(
        name="rwkv",
        summary="RWKV-7: a state of fixed size instead of a cache, trained without CUDA",
        config=lambda: RwkvOptions,
        build=_rwkv,
        compiled_step=_compiled_rwkv,
        script=_script_rwkv,
        recurrent=True,
        export={"rwkv": _write_rwkv},
        weights=_shipped(
            teacher="tunes for one voice: the model that the others learn from",
            tunes="tunes for one voice, distilled from teacher; what writes if none is named",
        ),
    )

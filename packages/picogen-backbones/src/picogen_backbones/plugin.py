"""The entry point: the backbones. Their modules load torch, so they are imported when built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from picogen_core import BackboneSpec, ShippedWeights, hookimpl, lazy

from picogen_backbones.options import (
    Gpt2Options,
    LlamaOptions,
    MambaOptions,
    QwenOptions,
    RwkvOptions,
)


def _shipped(**summaries: str) -> dict[str, ShippedWeights]:
    """Return the folders in weights/ with these names, if they exist."""
    root = Path(__file__).parent / "weights"
    found = [(root / name.replace("_", "-"), summary) for name, summary in summaries.items()]
    return {folder.name: ShippedWeights(folder, text) for folder, text in found if folder.is_dir()}


@hookimpl
def picogen_backbones() -> Iterator[BackboneSpec]:
    yield BackboneSpec(
        name="gpt2",
        summary="GPT-2 (transformers): learned positions; what NotaGen is",
        config=lambda: Gpt2Options,
        build=lazy("picogen_backbones.gpt2:Gpt2"),
        compiled_step=lazy("picogen_backbones.compiled.attention:gpt2"),
        export={"hf": lazy("picogen_backbones.export:write_hf")},
    )
    yield BackboneSpec(
        name="llama",
        summary="Llama (transformers): rotary positions, gated MLP, RMSNorm",
        config=lambda: LlamaOptions,
        build=lazy("picogen_backbones.llama:Llama"),
        compiled_step=lazy("picogen_backbones.compiled.attention:llama"),
        script=lazy("picogen_backbones.scripts:llama"),
        export={"hf": lazy("picogen_backbones.export:write_hf")},
        weights=_shipped(tunes_llama="the same with a Llama backbone"),
    )
    yield BackboneSpec(
        name="mamba",
        summary="Mamba-2 (transformers): a state of fixed size; mamba-ssm's kernels on CUDA",
        config=lambda: MambaOptions,
        build=lazy("picogen_backbones.mamba:Mamba"),
        compiled_step=lazy("picogen_backbones.compiled.mamba:CompiledMamba"),
        script=lazy("picogen_backbones.scripts:mamba"),
        recurrent=True,
        export={
            "hf": lazy("picogen_backbones.export:write_hf"),
            "mamba-ssm": lazy("picogen_backbones.export:write_mamba_ssm"),
        },
        weights=_shipped(tunes_mamba="the same with a Mamba-2 backbone"),
    )
    yield BackboneSpec(
        name="qwen",
        summary="Qwen3 (transformers): Llama with normalised queries and keys",
        config=lambda: QwenOptions,
        build=lazy("picogen_backbones.qwen:Qwen"),
        compiled_step=lazy("picogen_backbones.compiled.attention:qwen"),
        script=lazy("picogen_backbones.scripts:qwen"),
        export={"hf": lazy("picogen_backbones.export:write_hf")},
        weights=_shipped(tunes_qwen="the same with a Qwen3 backbone"),
    )
    yield BackboneSpec(
        name="rwkv",
        summary="RWKV-7: a state of fixed size instead of a cache, trained without CUDA",
        config=lambda: RwkvOptions,
        build=lazy("picogen_backbones.rwkv:Rwkv"),
        compiled_step=lazy("picogen_backbones.compiled.rwkv:CompiledRwkv"),
        script=lazy("picogen_backbones.scripts:rwkv"),
        recurrent=True,
        export={"rwkv": lazy("picogen_backbones.export:write_rwkv")},
        weights=_shipped(
            teacher="tunes for one voice: the model that the others learn from",
            tunes="tunes for one voice, distilled from teacher; the default model",
        ),
    )

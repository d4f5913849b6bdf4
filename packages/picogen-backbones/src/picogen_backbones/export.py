"""Export of backbones to transformers, the `rwkv` package and mamba-ssm."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from picogen_backbones.mamba import Mamba
from picogen_backbones.rwkv import Rwkv

Table = Float[Tensor, "T D"]

EMBEDDINGS = {
    "gpt2": "wte",
    "llama": "embed_tokens",
    "qwen3": "embed_tokens",
    "mamba2": "embeddings",
}

OPEN_HF = """
from transformers import AutoModel

model = AutoModel.from_pretrained(".")
# model(inputs_embeds=embed(patches)).last_hidden_state, embed as below
"""

OPEN_RWKV = """
import os

os.environ["RWKV_V7_ON"] = "1"
from rwkv.model import RWKV

model = RWKV(model="model", strategy="cpu fp32")  # model.pth
# hidden, state = model.forward([1], None): the head is the identity, so its logits are hidden
# states. For other patches, before it is opened: z = torch.load("model.pth"),
# z["emb.weight"] = embed(patches) as below, torch.save(z, "model.pth"); row t is then token t.
"""

OPEN_MAMBA_SSM = """
from mamba_ssm.models.mixer_seq_simple import MambaLMHeadModel

model = MambaLMHeadModel.from_pretrained(".", device="cuda")
# model.backbone(tokens) are the hidden states; its lm_head is the token table and has no use
"""


def write_hf(backbone: Any, table: Table, folder: Path) -> str:
    """Write transformers' `backbone.model`, with `table` as its token embedding.

    `AutoModel.from_pretrained` opens the files, config.json and model.safetensors.
    """
    model = backbone.model
    config = copy.deepcopy(model.config)
    config.vocab_size = len(table)
    config.architectures = [type(model).__name__]
    config.dtype = table.dtype
    config.save_pretrained(folder)
    tensors = {f"{EMBEDDINGS[config.model_type]}.weight": table, **model.state_dict()}
    _save(tensors, folder / "model.safetensors")
    return OPEN_HF


def write_rwkv(backbone: Rwkv, table: Table, folder: Path) -> str:
    """Write model.pth for the `rwkv` package; `table` is `emb` and the identity is `head`."""
    tensors = {
        "emb.weight": table,
        **backbone.state_dict(),
        "head.weight": torch.eye(table.shape[1], dtype=table.dtype),
    }
    for number in range(
        3
    ):  # official files also have them in the first layer, where they are unused
        tensors[f"blocks.0.att.v{number}"] = torch.zeros_like(tensors[f"blocks.0.att.a{number}"])
    torch.save({name: t.detach().contiguous() for name, t in tensors.items()}, folder / "model.pth")
    return OPEN_RWKV


def write_mamba_ssm(backbone: Mamba, table: Table, folder: Path) -> str:
    """Write config.json and pytorch_model.bin for mamba-ssm's `MambaLMHeadModel`."""
    config: Any = backbone.model.config
    written = {
        "d_model": config.hidden_size,
        "d_intermediate": 0,
        "n_layer": config.num_hidden_layers,
        "vocab_size": len(table),
        "ssm_cfg": {
            "layer": "Mamba2",
            "d_state": config.state_size,
            "d_conv": config.conv_kernel,
            "expand": config.expand,
            "headdim": config.head_dim,
            "ngroups": config.n_groups,
            "chunk_size": config.chunk_size,
        },
        "rms_norm": True,
        "residual_in_fp32": True,
        "fused_add_norm": True,
        "pad_vocab_size_multiple": 1,
        "tie_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n")
    tensors = {f"backbone.{name}": t.detach() for name, t in backbone.model.state_dict().items()}
    tied = {"backbone.embedding.weight": table, "lm_head.weight": table}
    torch.save({**tied, **tensors}, folder / "pytorch_model.bin")
    return OPEN_MAMBA_SSM


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, path, metadata={"format": "pt"})

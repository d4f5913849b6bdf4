"""What is exported gives equal hidden states where it is read, by the Python it comes with."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core.model.config import ModelConfig
from picogen_core.model.export import EMBEDDING, export_backbone, token_patches
from picogen_core.model.student import GenericStudent
from safetensors.torch import load_file

torch.set_num_threads(1)
SMALL: dict[str, dict[str, Any]] = {
    "gpt2": {"layers": 2, "heads": 2, "max_patches": 24},
    "llama": {"layers": 2, "heads": 4, "kv_heads": 2, "rope_theta": 500.0},
    "mamba": {"layers": 2, "head_size": 8, "state_size": 6, "chunk": 4},
    "qwen": {"layers": 2, "heads": 4, "kv_heads": 2, "head_size": 6, "rope_theta": 500.0},
    "rwkv": {"layers": 1, "head_size": 8},
}
CLASSES = {"gpt2": "GPT2Model", "llama": "LlamaModel", "mamba": "Mamba2Model", "qwen": "Qwen3Model"}


def student(backbone: str) -> GenericStudent:
    torch.manual_seed(0)
    config = ModelConfig(d_model=32, backbone=backbone, backbone_options=SMALL[backbone])
    model = GenericStudent(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model


def pythons(folder: Path) -> list[str]:
    """The blocks of the README: how to open, how to embed."""
    return [
        block.partition("```")[0]
        for block in (folder / "README.md").read_text().split("```python\n")[1:]
    ]


@pytest.mark.parametrize("backbone", list(CLASSES))
@torch.no_grad()
def test_automodel_opens_hf(backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModel

    model = student(backbone)
    files = export_backbone(model, "hf", tmp_path)
    assert files == ("README.md", "config.json", "model.safetensors", EMBEDDING)
    opened, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert type(opened).__name__ == CLASSES[backbone]
    assert not any(
        report[fault] for fault in ("missing_keys", "unexpected_keys", "mismatched_keys")
    )

    monkeypatch.chdir(tmp_path)
    shown: dict[str, Any] = {}
    for block in pythons(tmp_path):
        exec(block, shown)
    patches = torch.randint(128, (2, 9, 16))
    x = shown["embed"](patches)
    expected = model.backbone(model.patch_embedding(patches))
    hidden = shown["model"](inputs_embeds=x).last_hidden_state
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=0)

    tokens = torch.tensor([[1, 65, 66, 0, 2]])
    expected = model.backbone(model.patch_embedding(token_patches()[tokens]))
    torch.testing.assert_close(opened(tokens).last_hidden_state, expected, atol=1e-5, rtol=0)


def test_rows_of_the_token_table_are_patches() -> None:
    from picogen_core.abc.patches import encode

    begin, letter, end = encode("A")[[0, 1, 2]].tolist()
    table = token_patches()
    assert (table[1].tolist(), table[65].tolist(), table[2].tolist()) == (begin, letter, end)
    assert not table[0].any()


USE_RWKV = """
import os, sys, torch
for folder in sys.argv[1:]:
    os.chdir(folder)
    exec(open("opening.py").read())
    hidden, state = model.forward([1, 65, 66, 0, 2], None, full_output=True)
    more, state = model.forward([67], state)
    torch.save(torch.cat([hidden, more[None]]), "hidden.pt")
"""


@torch.no_grad()
def test_the_rwkv_package_opens_rwkv(tmp_path: Path) -> None:
    pytest.importorskip("rwkv", reason="the rwkv package is not installed")
    torch.manual_seed(0)
    models = {}
    for layers in (1, 3):
        options = {"layers": layers, "head_size": 8}
        model = GenericStudent(ModelConfig(d_model=32, backbone="rwkv", backbone_options=options))
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        folder = tmp_path / str(layers)
        folder.mkdir()
        export_backbone(model, "rwkv", folder)
        (folder / "opening.py").write_text(pythons(folder)[0])
        models[folder] = model
    done = subprocess.run(
        [sys.executable, "-c", USE_RWKV, *map(str, models)],
        env={**os.environ, "RWKV_JIT_ON": "0", "RWKV_CUDA_ON": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    tokens = torch.tensor([[1, 65, 66, 0, 2, 67]])
    for folder, model in models.items():
        expected = model.backbone(model.patch_embedding(token_patches()[tokens]))[0]
        hidden = torch.load(folder / "hidden.pt")
        torch.testing.assert_close(hidden, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_mamba_ssm_finds_its_names_and_sizes(tmp_path: Path) -> None:
    model = student("mamba")
    files = export_backbone(model, "mamba-ssm", tmp_path)
    assert files == ("README.md", "config.json", EMBEDDING, "pytorch_model.bin")
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["d_model"], config["n_layer"], config["vocab_size"]) == (32, 2, 128)
    sizes = {"d_state": 6, "d_conv": 4, "expand": 2, "headdim": 8, "ngroups": 1, "chunk_size": 4}
    assert config["ssm_cfg"] == {"layer": "Mamba2", **sizes}
    tensors = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    parts = ("dt_bias", "A_log", "D", "in_proj.weight", "conv1d.weight", "conv1d.bias")
    parts += ("norm.weight", "out_proj.weight")
    names = {f"backbone.layers.{n}.mixer.{part}" for n in (0, 1) for part in parts}
    names |= {f"backbone.layers.{n}.norm.weight" for n in (0, 1)}
    names |= {"backbone.embedding.weight", "backbone.norm_f.weight", "lm_head.weight"}
    assert set(tensors) == names
    ours = model.backbone.model.layers[1].mixer
    assert torch.equal(tensors["backbone.layers.1.mixer.A_log"], ours.A_log)
    assert torch.equal(tensors["backbone.embedding.weight"], model.patch_embedding(token_patches()))


def test_the_patch_embedding_lies_beside_it(tmp_path: Path) -> None:
    model = student("rwkv")
    export_backbone(model, "rwkv", tmp_path)
    written = load_file(tmp_path / EMBEDDING)
    assert torch.equal(written["weight"], model.patch_embedding.weight)
    assert torch.equal(written["bias"], model.patch_embedding.bias)

import json
from pathlib import Path

import pytest
import torch
from picogen_core import BadCheckpoint, ConfigError, UnknownName
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent, PatchEmbedding


def tiny(**changes) -> ModelConfig:
    values = {
        "d_model": 64,
        "max_patches": 64,
        "backbone": "gpt2",
        "backbone_options": {"layers": 1, "max_patches": 64},
        "head": "char-transformer",
        "head_options": {"layers": 1},
    }
    return ModelConfig(**values | changes)


def test_patch_embedding_is_the_one_hot_product():
    embedding = PatchEmbedding(32)
    patches = torch.randint(128, (2, 5, 16))
    one_hot = torch.nn.functional.one_hot(patches, 128).float().flatten(-2)
    expected = one_hot @ embedding.weight + embedding.bias
    torch.testing.assert_close(embedding(patches), expected, atol=1e-6, rtol=0)


def test_checkpoint_round_trip(tmp_path: Path):
    model = GenericStudent(tiny(teacher_width=96)).eval()
    save_checkpoint(tmp_path / "best", model, {"picogen": "test"})
    for path in (tmp_path, tmp_path / "best"):
        again = load_model(path)
        assert again.config == model.config
        assert all(
            torch.equal(a, b)
            for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True)
        )
    assert again.config.backbone_options["dropout"] == 0.1  # defaults are written down


def test_a_checkpoint_that_does_not_fit_says_which_tensor(tmp_path: Path):
    save_checkpoint(tmp_path / "a", GenericStudent(tiny()), {})
    config = tmp_path / "a" / "config.json"
    values = json.loads(config.read_text())
    values["head_options"]["layers"] = 2
    config.write_text(json.dumps(values))
    with pytest.raises(BadCheckpoint, match=r"tensor head\.transformer\.h\.1.* is missing"):
        load_model(tmp_path / "a")
    (tmp_path / "a" / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        load_model(tmp_path / "a")
    with pytest.raises(BadCheckpoint, match="Give a run folder"):
        load_model(tmp_path)


def test_parts_that_do_not_exist():
    with pytest.raises(UnknownName, match="Did you mean 'gpt2'"):
        GenericStudent(tiny(backbone="gpt"))
    with pytest.raises(ConfigError, match="Did you mean 'layers'"):
        GenericStudent(tiny(head_options={"layer": 2}))


@pytest.mark.parametrize("backbone", ["gpt2", "llama", "rwkv"])
@pytest.mark.parametrize("head", ["char-transformer", "char-gru", "parallel"])
@torch.no_grad()
def test_decoding_steps_equal_the_parallel_call(backbone: str, head: str):
    torch.manual_seed(0)
    model = GenericStudent(
        tiny(backbone=backbone, backbone_options={"layers": 2}, head=head, head_options={})
    ).eval()
    for parameter in model.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    patches, lengths = torch.randint(3, 127, (3, 9, 16)), torch.tensor([9, 6, 4])
    output = model(patches, lengths)
    hidden, state = model.prefill(
        patches[:, :4], torch.tensor([4, 3, 2]), model.initial_state(3, 9)
    )
    for row, place in ((0, 4), (1, 3), (2, 2)):
        expected = output.hidden[(output.row == row) & (output.patch == place)][0]
        torch.testing.assert_close(hidden[row], expected, atol=1e-5, rtol=1e-5)
    hidden, _ = model.step(patches[torch.arange(3), torch.tensor([4, 3, 2])], state)
    for row, place in ((0, 5), (1, 4), (2, 3)):
        mine = (output.row == row) & (output.patch == place)
        torch.testing.assert_close(hidden[row], output.hidden[mine][0], atol=1e-5, rtol=1e-5)
        logits, head_state = model.head.begin(hidden[row : row + 1])
        for j in range(15):
            torch.testing.assert_close(logits[0], output.logits[mine][0, j], atol=1e-4, rtol=1e-4)
            logits, head_state = model.head.step(patches[row, place, j : j + 1], head_state)

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_core import BadCheckpoint, ConfigError, UnknownName
from picogen_core.abc.patches import PAD
from picogen_core.data.batches import collate
from picogen_core.data.store import encode_piece
from picogen_core.generation.decode import generate
from picogen_core.generation.options import SamplingOptions
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.notagen import read_notagen, write_notagen
from picogen_core.model.student import GenericStudent, PatchEmbedding

DATA = Path(__file__).parent / "data/notagen"
CASE = json.loads((DATA / "expected.json").read_text())["case"]
WEIGHTS = next(DATA.glob("*.pth"))


@pytest.fixture(scope="module")
def notagen() -> GenericStudent:
    return read_notagen(WEIGHTS).eval()


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


@torch.no_grad()
def test_notagen_forward_equals_the_original(notagen: GenericStudent):
    expected = np.load(DATA / "expected.npz")
    batch = collate([encode_piece(CASE["abc"])])
    output = notagen(batch.patches, batch.lengths)
    hidden = torch.from_numpy(expected["hidden"])[:-1]
    logits = torch.from_numpy(expected["char_logits"])[:, :16]
    torch.testing.assert_close(output.hidden, hidden, atol=1e-4, rtol=0)
    kept = output.characters != PAD  # NotaGen counts what follows EOS in the closing patch too
    torch.testing.assert_close(output.logits[kept], logits[kept], atol=1e-4, rtol=0)
    loss = torch.nn.functional.cross_entropy(output.logits[kept], output.characters[kept])
    assert abs(float(loss) - CASE["loss"]) < 1e-4


def test_notagen_greedy_continuation_equals_the_original(notagen: GenericStudent):
    """The original draws PAD and BOS too where they win; only up to there can texts agree."""
    expected = np.array(CASE["greedy_after_metadata"], np.uint8)
    drafts = generate(
        notagen,
        CASE["prompts"][0]["text"],
        seed=0,
        numbers=[1],
        max_patches=len(CASE["prompts"][0]["ids"]) + 2,
        sampling=SamplingOptions(temperature=0),
    )
    text = drafts[0].text.removeprefix(CASE["prompts"][0]["text"])
    assert text == expected[:2].tobytes().decode()


def test_notagen_round_trip(notagen: GenericStudent, tmp_path: Path):
    path = tmp_path / "weights.pth"
    write_notagen(path, notagen)
    stored = torch.load(path, weights_only=True)["model"]
    original = torch.load(WEIGHTS, weights_only=True)["model"]
    assert set(stored) == set(original)
    for name in set(stored) - {"patch_level_decoder.base.wte.weight"}:
        assert torch.equal(stored[name], original[name]), name
    again = read_notagen(path)
    assert again.config == notagen.config


def write_pth(path: Path, model: object) -> Path:
    torch.save({"model": model}, path)
    return path


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path("harmed"),))


def test_wrong_teacher_files_are_told_apart(notagen: GenericStudent, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tensors = dict(torch.load(WEIGHTS, weights_only=True)["model"])
    weight = "patch_level_decoder.base.h.1.mlp.c_fc.weight"
    cases = {
        "missing.pth": "no such file or folder",
        "llama.pth": "is not NotaGen's",
        "lacking.pth": "missing",
        "shape.pth": "has shape",
        "nan.pth": "NaN",
        "text.pth": "not a file of plain tensors",
        "code.pth": "not a file of plain tensors",
        "list.pth": "no 'model'",
        "extra.pth": "the model has not",
    }
    write_pth(Path("llama.pth"), {"model.layers.0.mlp.weight": torch.zeros(2)})
    write_pth(Path("lacking.pth"), {k: v for k, v in tensors.items() if k != weight})
    write_pth(Path("shape.pth"), tensors | {weight: tensors[weight][:, :7]})
    write_pth(Path("nan.pth"), tensors | {weight: tensors[weight] * float("nan")})
    write_pth(Path("extra.pth"), tensors | {"patch_level_decoder.base.more": torch.zeros(1)})
    Path("text.pth").write_text("hello")
    Path("code.pth").write_bytes(pickle.dumps({"model": Harmful()}))
    torch.save([1, 2], "list.pth")
    for name, message in cases.items():
        with pytest.raises(BadCheckpoint, match=message) as raised:
            load_model(Path(name))
        assert "\n" not in str(raised.value) and name in str(raised.value)
    assert not Path("harmed").exists()


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

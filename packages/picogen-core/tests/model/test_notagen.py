"""NotaGen read exactly: against a plain reference of freshly drawn shapes, and the real tune."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_core.abc.patches import encode, encode_prompt
from picogen_core.data.batches import collate
from picogen_core.data.prepared.store import encode_piece
from picogen_core.generation.decoding.decode import generate
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.model.checkpoint import load_model
from picogen_core.model.files.notagen import (
    notagen_config,
    read_notagen,
    write_notagen,
)
from picogen_core.model.student import GenericStudent

torch.set_num_threads(1)

ROOT = Path(__file__).parents[4]
DATA = Path(__file__).parents[1] / "data/notagen"
CASE = json.loads((DATA / "expected.json").read_text())["case"]
WEIGHTS = next(DATA.glob("*.pth"))
GREEDY = SamplingOptions(temperature=0, mask=False)
SHAPES = [(64, 3, 2, 40), (128, 1, 3, 57), (192, 2, 1, 33)]


@pytest.fixture(scope="module")
def reference():
    path = ROOT / "benchmarks" / "notagen_reference.py"
    spec = importlib.util.spec_from_file_location("notagen_reference", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lively(reference, shape: tuple[int, int, int, int], seed: int = 0):
    """A reference whose every parameter matters, biases and norms too."""
    torch.manual_seed(seed)
    model = reference.NotaGenReference(*shape).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def as_file(model, path: Path, **more: object) -> Path:
    torch.save({"model": model.state_dict(), **more}, path)
    return path


def written(model: GenericStudent, prompt: str, count: int) -> list[list[int]]:
    length = len(encode_prompt(prompt).patches) + count
    draft = generate(model, prompt, seed=0, numbers=[1], max_patches=length, sampling=GREEDY)[0]
    return [codes.tolist() for codes in draft.codes]


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_agrees_with_the_reference(reference, shape, tmp_path: Path):
    original = lively(reference, shape)
    model = load_model(as_file(original, tmp_path / "weights_p_layers_c_layers_6_20.pth"))
    width, patch_layers, char_layers, context = shape
    assert model.config.d_model == width and model.config.max_patches == context
    assert model.config.backbone_options["layers"] == patch_layers
    assert model.config.backbone_options["heads"] == width // 64
    assert model.config.head_options["layers"] == char_layers
    patches = encode(CASE["abc"])[:context]
    hidden, logits, loss = original(torch.from_numpy(patches.astype(np.int64)))
    output = model(torch.from_numpy(patches.astype(np.int64))[None], torch.tensor([len(patches)]))
    torch.testing.assert_close(output.hidden, hidden[:-1], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        output.logits[output.valid], logits[:, :16][output.valid], atol=1e-4, rtol=0
    )
    ours = torch.nn.functional.cross_entropy(
        output.logits[output.valid], output.characters[output.valid]
    )
    assert abs(float(ours) - float(loss)) < 1e-4


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_tokens_equal_the_references(reference, shape, seed: int, tmp_path: Path):
    original = lively(reference, shape, seed)
    model = read_notagen(as_file(original, tmp_path / "w.pth"))
    prompt = CASE["prompts"][0]["text"]
    expected = original.generate(encode_prompt(prompt).patches.tolist(), 12)
    assert written(model, prompt, 12) == expected
    assert len({code for patch in expected for code in patch}) > 4


@pytest.mark.parametrize("closes_after", [0, 2])
def test_a_piece_ends_and_a_counter_is_drawn_again_as_in_the_reference(
    reference, closes_after: int, tmp_path: Path
):
    """A head made to spell: `[r:7/` first and, after so many patches, the closing patch."""
    original = lively(reference, (64, 1, 1, 32))
    spelt = scripted(original, closes_after)
    model = read_notagen(as_file(original, tmp_path / "w.pth"))
    prompt = "L:1/8\nM:4/4\n"
    expected = original.generate(encode_prompt(prompt).patches.tolist(), 6)
    assert written(model, prompt, 6) == expected
    if closes_after:
        assert expected[0][:5] == list(b"[r:0/") and spelt == b"[r:7/"
        assert len(expected) == 6
    else:
        assert [patch[:3] for patch in expected] == [[1, 2, 0]]


def scripted(original, closes_after: int) -> bytes:
    """Set the character model so that position j prefers the j-th character of a script."""
    script = list(b"[r:7/") if closes_after else [1, 2]
    base = original.char_level_decoder.base
    with torch.no_grad():
        for parameter in base.transformer.h.parameters():
            parameter.zero_()  # the residual stream is the input alone
        base.transformer.wpe.weight.zero_()
        base.transformer.wte.weight.zero_()
        base.transformer.ln_f.weight.fill_(1)
        base.transformer.ln_f.bias.zero_()
        original.patch_level_decoder.base.ln_f.weight.zero_()
        original.patch_level_decoder.base.ln_f.bias.zero_()
        for place, code in enumerate([*script, 2]):
            base.transformer.wpe.weight[place, place] = 100
            base.transformer.wte.weight[code, place] += 1
    return bytes(script)


@torch.no_grad()
def test_the_tune_equals_the_original():
    expected = np.load(DATA / "expected.npz")
    batch = collate([encode_piece(CASE["abc"])])
    output = read_notagen(WEIGHTS)(batch.patches, batch.lengths)
    hidden = torch.from_numpy(expected["hidden"])[:-1]
    logits = torch.from_numpy(expected["char_logits"])[:, :16]
    torch.testing.assert_close(output.hidden, hidden, atol=1e-4, rtol=0)
    torch.testing.assert_close(output.logits[output.valid], logits[output.valid], atol=1e-4, rtol=0)
    loss = torch.nn.functional.cross_entropy(
        output.logits[output.valid], output.characters[output.valid]
    )
    assert abs(float(loss) - CASE["loss"]) < 1e-4


def test_the_tunes_greedy_continuation_equals_the_original_token_for_token():
    expected = CASE["greedy_after_metadata"]
    assert written(read_notagen(WEIGHTS), CASE["prompts"][0]["text"], len(expected)) == expected


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        ((768, 12, 3, 2048), 109_579_776),  # small
        ((1024, 16, 3, 2048), 243_677_184),  # medium
        ((1280, 20, 6, 1024), 515_738_880),  # large, finetune, RL3 and NotaGen-X
    ],
)
def test_published_sizes_have_their_published_parameters(sizes, parameters: int):
    with torch.device("meta"):
        model = GenericStudent(notagen_config(*sizes))
    assert published_parameters(model) == parameters


def published_parameters(model: GenericStudent) -> int:
    """As NotaGen counts: the tied output layer once, and the row of width h that GPT-2 keeps for
    tokens it never gets."""
    return model.parameter_count() + model.config.d_model


def test_the_counting_is_notagens(reference):
    model = reference.NotaGenReference(64, 2, 1, 30)
    ours = GenericStudent(notagen_config(768, 12, 3, 2048).model_copy(update={
        "d_model": 64, "max_patches": 30,
        "backbone_options": {"layers": 2, "heads": 1, "max_patches": 30},
        "head_options": {"layers": 1, "heads": 1},
    }))  # fmt: skip
    assert published_parameters(ours) == sum(p.numel() for p in model.parameters())


def test_what_is_written_is_what_was_read(tmp_path: Path):
    model = read_notagen(WEIGHTS)
    write_notagen(tmp_path / "weights.pth", model)
    stored = torch.load(tmp_path / "weights.pth", weights_only=True)["model"]
    original = torch.load(WEIGHTS, weights_only=True)["model"]
    assert set(stored) == set(original)
    for name in set(stored) - {"patch_level_decoder.base.wte.weight"}:
        assert torch.equal(stored[name], original[name]), name
    assert read_notagen(tmp_path / "weights.pth").config == model.config


def plain(model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


WRITERS = {
    "trainer": lambda t, p: torch.save(
        {"model": t, "optimizer": {"state": {0: {"exp_avg": torch.zeros(4)}}, "param_groups": []},
         "lr_sched": {"lr_lambdas": [{}], "last_epoch": 3}, "epoch": 3, "best_epoch": 2,
         "min_eval_loss": 0.2}, p),
    "model only": lambda t, p: torch.save({"model": t}, p),
    "bare": lambda t, p: torch.save(t, p),
    "data parallel": lambda t, p: torch.save(
        {"model": {f"module.{k}": v for k, v in t.items()}}, p),
    "with masks": lambda t, p: torch.save({"model": t | {
        "patch_level_decoder.base.h.0.attn.bias": torch.ones(1, 1, 30, 30, dtype=torch.uint8),
        "char_level_decoder.base.transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}}, p),
    "unzipped": lambda t, p: torch.save(
        {"model": t}, p, _use_new_zipfile_serialization=False),
    "float64": lambda t, p: torch.save({"model": {k: v.double() for k, v in t.items()}}, p),
    "parameters": lambda t, p: torch.save(
        {"model": {k: torch.nn.Parameter(v) for k, v in t.items()}}, p),
}  # fmt: skip


@pytest.mark.parametrize("writer", list(WRITERS))
def test_files_of_all_writers_are_the_same_model(reference, writer: str, tmp_path: Path):
    tensors = plain(lively(reference, (64, 2, 1, 30)))
    WRITERS["model only"](tensors, tmp_path / "as_it_is.pth")
    WRITERS[writer](tensors, tmp_path / "w.pth")
    expected = load_model(tmp_path / "as_it_is.pth").state_dict()
    for name, tensor in load_model(tmp_path / "w.pth").state_dict().items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_become_float32(reference, dtype: torch.dtype, tmp_path: Path):
    tensors = plain(lively(reference, (64, 1, 1, 30)))
    torch.save({"model": {k: v.to(dtype) for k, v in tensors.items()}}, tmp_path / "w.pth")
    model = load_model(tmp_path / "w.pth")
    bias = model.state_dict()["backbone.model.ln_f.bias"]
    assert bias.dtype == torch.float32
    assert torch.equal(bias, tensors["patch_level_decoder.base.ln_f.bias"].to(dtype).float())


def test_reading_draws_no_random_numbers():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    model = load_model(WEIGHTS)
    assert torch.equal(torch.rand(3), expected)
    assert all(p.requires_grad for p in model.parameters()) and not model.training

"""Students as ONNX graphs: equal to torch in ONNX Runtime, by the Python of their README."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core import ConfigError, PluginError
from picogen_core.abc.patches import encode_prompt
from picogen_core.generation.decoding.decode import generate
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.model.config import ModelConfig
from picogen_core.model.export_formats import check_packages
from picogen_core.model.state_tree import named_leaves
from picogen_core.model.student import GenericStudent
from picogen_core.onnx.check import OnnxSession, check
from picogen_core.onnx.stacked import stack_layers
from picogen_core.onnx.write import export_onnx
from torch import Tensor, nn

torch.set_num_threads(1)
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

ROOM = 12
HEADER = "X:1\nL:1/8\nK:C\nV:1 treble nm=Flute\n"  # BOS and 5 patches
TEACHER = {"inner": "char-gru", "inner_options": {"width": 16}, "width": 24}
PARTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "gpt2": ({"layers": 1, "heads": 2, "max_patches": ROOM}, "char-transformer", {"layers": 1}),
    "llama": ({"layers": 1, "heads": 2}, "char-gru", {}),
    "qwen": ({"layers": 2, "heads": 4, "kv_heads": 2}, "teacher", TEACHER),
    "mamba": ({"layers": 1, "head_size": 8, "state_size": 6}, "parallel", {}),
    "rwkv": (
        {"layers": 2, "head_size": 8},
        "char-memory",
        {"width": 24, "channels": 8, "layers": 2, "window": 40},
    ),
}
EXPORTED = ["gpt2", "qwen", "mamba", "rwkv"]  # llama is in picogen-cli's test_export_command


def student(backbone: str) -> GenericStudent:
    torch.manual_seed(0)
    options, head, head_options = PARTS[backbone]
    config = ModelConfig(
        d_model=32, max_patches=ROOM, backbone=backbone, backbone_options=options,
        head=head, head_options=head_options,
    )  # fmt: skip
    model = GenericStudent(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model


def greedy(model: GenericStudent) -> Iterator[list[int]]:
    """What the torch engine goes on with."""
    (draft,) = generate(
        model, HEADER, seed=0, numbers=[1], max_patches=ROOM,
        sampling=SamplingOptions(temperature=0),
    )  # fmt: skip
    yield from (codes.tolist() for codes in draft.codes)


def shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Any]:
    """`generate` of the README, whose Python is run as it stands."""
    (source,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(source, names)
    return names["generate"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module", params=EXPORTED)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[GenericStudent, Path]:
    """Once for all tests: tracing takes seconds."""
    model = student(request.param)
    if (
        request.param == "mamba"
    ):  # the head that no character changes: a body that begins with bar 5
        for j, letter in enumerate("[r:5/7]"):
            model.head.readout.bias.data[j * 128 + ord(letter)] += 50
    folder = tmp_path_factory.mktemp(request.param)
    facts = export_onnx(model, folder)
    assert facts == json.loads((folder / "model.json").read_text())
    return model, folder


def test_onnx_runtime_says_what_torch_says(
    exported: tuple[GenericStudent, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = exported
    facts = json.loads((folder / "model.json").read_text())
    found = facts["difference_from_torch"]
    assert 0 < found["hidden"] < 1e-5 and 0 < found["logits"] < 1e-5

    written = shown(folder, monkeypatch)(HEADER, ROOM)
    prompt = encode_prompt(HEADER).patches
    expected = [*prompt.tolist(), *greedy(model)]
    assert len(expected) > len(prompt) + 3 and written.tolist() == expected
    if model.config.backbone == "mamba":
        assert bytes(expected[6][:7]) == b"[r:0/7]" and bytes(expected[7][:7]) == b"[r:5/7]"

    graph = facts["graphs"]["backbone.onnx"]
    state = named_leaves(model.initial_state(1, ROOM), "state")
    assert [one["name"] for one in graph["inputs"]] == ["patch", *state]
    assert graph["inputs"][0]["shape"] == ["batch", 16]
    axes = {size for one in graph["inputs"] for size in one["shape"] if isinstance(size, str)}
    assert axes == {"batch", "max_patches"} if "state.keys" in state else axes == {"batch"}


@torch.no_grad()
@pytest.mark.parametrize("exported", ["gpt2"], indirect=True)
def test_a_cache_may_have_less_room_and_the_check_finds_what_is_wrong(
    exported: tuple[GenericStudent, Path],
) -> None:
    model, folder = exported
    backbone = OnnxSession(folder / "backbone.onnx")
    state = model.initial_state(3, 4)
    given = {name: leaf.numpy().copy() for name, leaf in named_leaves(state, "state").items()}
    for _ in range(4):
        patch = np.random.default_rng(0).integers(128, size=(3, 16))
        told, given = backbone(given, patch=patch)
        hidden, state = model.step(torch.from_numpy(patch), state)
        np.testing.assert_allclose(told, hidden.numpy(), atol=1e-5)
    with pytest.raises(PluginError, match=r"ONNX Runtime cannot run backbone\.onnx"):
        backbone(given, patch=patch)
    assert [list(one.shape) for one in given.values()] == [[3, 1, 2, 4, 16]] * 2 + [[3]]

    assert check(model, folder, ROOM)["logits"] < 1e-5
    bias = model.head.transformer.h[0].mlp.c_fc.bias.data
    bias[0] += 0.1
    with pytest.raises(PluginError, match=r"ONNX Runtime's logits differ from torch's by .*e-0"):
        check(model, folder, ROOM)
    bias[0] -= 0.1


class Nested(nn.Module):
    """A third party's: its state nests, does not begin as zeros, and it reads len(x)."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(32, 32)

    def initial_state(self, batch: int, max_patches: int, device: Any, dtype: Any) -> Any:
        ones = torch.ones(batch, 32, device=device, dtype=dtype)
        return {"layers": [(ones, torch.zeros(batch, dtype=torch.long))], "top": 2 * ones}

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        memory, count = state["layers"][0]
        memory = torch.tanh(self.mix(x + memory)) + torch.zeros(len(x), 32)
        top = state["top"] + memory
        return top, {"top": top, "layers": [(memory, count + 1)]}


class Peeking(Nested):
    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return super().step(x * 2 if bool(x.sum() > 0) else x, state)


def test_any_state_and_weights_beside_the_graphs(tmp_path: Path) -> None:
    model = student("llama")
    model.backbone = Nested()
    facts = export_onnx(model, tmp_path, inside=1000)
    assert facts["difference_from_torch"]["hidden"] < 1e-5
    names = [one["name"] for one in facts["graphs"]["backbone.onnx"]["outputs"]]
    assert names == ["hidden", "next.layers.0.0", "next.layers.0.1", "next.top"]
    first = np.load(tmp_path / "initial_state.npz")
    assert first["state.top"].tolist() == [[2.0] * 32]
    # Both graphs of the head read out; the tensor is there once.
    weights = (tmp_path / "weights.bin").read_bytes()
    assert weights.count(model.head.readout.weight.numpy(force=True).tobytes()[:256]) == 1
    assert weights.count(model.patch_embedding.weight.numpy(force=True).tobytes()) == 1
    assert all(path.stat().st_size < 30_000 for path in tmp_path.glob("*.onnx"))


def test_what_cannot_be_written_says_why_and_leaves_what_was_there(tmp_path: Path) -> None:
    model = student("llama")
    model.backbone = Peeking()
    (tmp_path / "model.json").write_text("before")
    with pytest.raises(PluginError) as refused:
        export_onnx(model, tmp_path)
    message = str(refused.value)
    assert message.startswith("backbone 'llama' (picogen-backbones 0.2.0): step cannot be written")
    assert "data-dependent" in message and "\n" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    assert (tmp_path / "model.json").read_text() == "before"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picogen_core.model.export_formats.find_spec", lambda name: None)
    wanted = r'writing ONNX needs onnx and onnxscript: pip install "picogen-core\[onnx\]"'
    with pytest.raises(ConfigError, match=wanted):
        check_packages()


class Layers(nn.Module):
    """Writes `count` of three layers and reads them again."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        state = state.clone()
        read = state[:, 0] * 0
        for layer in range(self.count):
            part = state[:, layer]
            part[:, 1] = read[:, 0] + layer + 1
            read = read + state[:, layer] + state[:, (layer + 1) % 3]
        return read, state


@pytest.mark.parametrize(("count", "operator"), [(3, "stack"), (2, "select_scatter")])
def test_layers_are_stacked_once_if_all_are_written(count: int, operator: str) -> None:
    state, module = torch.randn(2, 3, 4), Layers(count)
    batch = torch.export.Dim("batch")
    traced = torch.export.export(module, (state,), dynamic_shapes=({0: batch},))
    program = traced.run_decompositions({})
    stack_layers(program)
    for given in (state, torch.randn(5, 3, 4)):
        for told, expected in zip(program.module()(given), module(given), strict=True):
            assert torch.equal(told, expected)
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    wanted = {"stack": 1, "select_scatter": 0} if count == 3 else {"stack": 0, "select_scatter": 2}
    for name, times in wanted.items():
        # What is put into a layer's row is a select_scatter too, but along another axis.
        along = [node for node in program.graph.nodes if str(node.target) == f"aten.{name}.default"]
        assert sum(node.args[-1 if name == "stack" else 2] == 1 for node in along) >= times
    assert ("aten.stack.default" in targets) == (operator == "stack")

"""The engines on real models: the same pieces alone, in batches, and from either engine."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_core import BadCheckpoint, ConfigError
from picogen_core.abc.grammar import QuickConstraint
from picogen_core.abc.grammar.nodes import Nodes
from picogen_core.compiled.jit import kernel
from picogen_core.generation.decoding.decode import Limits, write
from picogen_core.generation.decoding.piece import PieceWriter
from picogen_core.generation.engines import Engine, Spelling
from picogen_core.generation.engines.choose import (
    EngineChoice,
    choose,
    open_engine,
)
from picogen_core.generation.engines.compiled import CompiledEngine
from picogen_core.generation.engines.torch import TorchPatches
from picogen_core.generation.request.options import GenerateRequest, SamplingOptions
from picogen_core.generation.run import write_scores
from picogen_core.generation.session import lengths
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import Registry, registry
from picogen_core.runtime.progress import Quiet
from safetensors.numpy import load_file, save_file

torch.set_num_threads(1)

PROMPTS = ["K:C\nV:1 treble\n", "M:3/4\nK:G\nV:1 treble\n[r:0/9][V:1]CDE", ""]
MODELS = {
    "gpt2": ({"layers": 2, "heads": 2, "max_patches": 64}, "char-transformer", {"layers": 1}),
    "rwkv": ({"layers": 2, "head_size": 32}, "char-gru", {}),
    "mamba": ({"layers": 1, "head_size": 32, "state_size": 8}, "char-memory", {"window": 50}),
    "llama": ({"layers": 1, "heads": 2}, "char-memory", {"layers": 2, "width": 40}),
}

SPELLING = [name for name, (_, head, _) in MODELS.items() if head != "char-transformer"]
"""Those whose head draws by itself."""


@pytest.fixture(scope="module", params=MODELS)
def folder(request, tmp_path_factory) -> Path:
    backbone, head, head_options = MODELS[request.param]
    torch.manual_seed(3)
    config = ModelConfig(
        d_model=64, max_patches=64, backbone=request.param, backbone_options=backbone, head=head,
        head_options=head_options, teacher_width=32,
    )  # fmt: skip
    model = GenericStudent(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("checkpoint") / request.param
    save_checkpoint(path, model, {})
    return path


def open_one(folder: Path, engine: str, slots: int) -> Engine:
    checkpoint = locate(folder, Quiet())
    return open_engine(checkpoint, EngineChoice(engine, "cpu"), slots, 30, Quiet())


def texts(engine: Engine, count: int, context: int | None = None) -> dict[int, str]:
    starts = [PieceWriter(k, PROMPTS[k % 3], seed=5) for k in range(count)]
    sampling = SamplingOptions(top_k=0, top_p=0)
    written = write(engine, starts, sampling, Limits(30, context))
    return {one.number: one.draft.text for one in written if one.draft}


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_a_piece_does_not_depend_on_its_batch(folder: Path, engine: str):
    alone = texts(open_one(folder, engine, 1), 7)
    assert len(set(alone.values())) == 7
    assert texts(open_one(folder, engine, 3), 7) == alone
    assert texts(open_one(folder, engine, 7), 7) == alone


def test_both_engines_write_the_same(folder: Path):
    assert texts(open_one(folder, "numba", 4), 6) == texts(open_one(folder, "torch", 4), 6)


GUIDES = [{}, {"grammar": True}, {"bars": 3}]


def guided(engine: Engine, how: dict, nodes: Nodes) -> list[tuple[str, float]]:
    """Pieces under an automaton: text, and nats of the model."""

    def start(k: int) -> PieceWriter:
        guides = [QuickConstraint(30, nodes=nodes, **how)]
        return PieceWriter(
            k, PROMPTS[k % 3] if "bars" not in how else "", seed=5, guides=lambda: guides
        )

    sampling = SamplingOptions(top_k=30, top_p=0.95, temperature=1.2)
    written = write(engine, map(start, range(6)), sampling, Limits(30), likelihood=True)
    drafts = {one.number: one.draft for one in written if one.draft}
    return [(drafts[k].text, drafts[k].nll) for k in range(6)]


@pytest.mark.parametrize("how", GUIDES)
def test_pieces_that_a_kernel_draws_are_those_drawn_one_character_at_a_time(folder, how):
    drawn = guided(open_one(folder, "torch", 4), how, Nodes())
    for nodes in (Nodes(), Nodes(most=40)):  # the latter forgets its places on the way
        found = guided(open_one(folder, "numba", 4), how, nodes)
        again = guided(open_one(folder, "numba", 4), how, nodes)  # all places are known
        for (text, nats), (expected, wanted) in zip([*found, *again], 2 * drawn, strict=True):
            assert text == expected
            assert nats == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("folder", SPELLING, indirect=True)
def test_a_kernel_draws_most_characters_once_places_are_known(folder, monkeypatch):
    engine, nodes = open_one(folder, "numba", 4), Nodes()
    assert isinstance(engine, Spelling)
    guided(engine, {}, nodes)
    asked: list[int] = []
    put = PieceWriter.put
    monkeypatch.setattr(
        PieceWriter, "put", lambda self, code: asked.append(code) or put(self, code)
    )
    texts = [text for text, _ in guided(engine, {}, nodes)]
    assert len(asked) < sum(map(len, texts)) / 4


def test_numba_that_cannot_be_loaded_leaves_torch(folder: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "picogen_core.compiled", None)
    config = locate(folder, Quiet()).config
    assert choose(config, "auto", "auto", 1, Quiet()) == EngineChoice("torch", "auto")
    with pytest.raises(ConfigError, match="--engine numba: numba cannot be loaded"):
        choose(config, "numba", "auto", 1, Quiet())


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch):
    from numba.core import caching

    monkeypatch.setattr(caching.FunctionCache._impl_class, "_locator_classes", [])
    assert kernel(_doubled)(21) == 42


def _doubled(number: int) -> int:
    return 2 * number


def test_both_engines_roll_over_the_same(folder: Path):
    rolled = texts(open_one(folder, "numba", 2), 5, context=14)
    assert rolled == texts(open_one(folder, "torch", 5), 5, context=14)


def test_a_backbone_without_a_compiled_step_runs_in_torch(folder: Path, monkeypatch):
    expected = texts(open_one(folder, "numba", 3), 5)
    all_entries = registry().all("backbone")
    plain = {e.name: replace(e, spec=replace(e.spec, compiled_step=None)) for e in all_entries}
    get = Registry.get
    monkeypatch.setattr(
        Registry,
        "get",
        lambda self, kind, name: plain[name] if kind == "backbone" else get(self, kind, name),
    )
    engine = open_one(folder, "numba", 3)
    assert isinstance(engine, CompiledEngine) and isinstance(engine._patches, TorchPatches)
    assert texts(engine, 5) == expected


class Told(Quiet):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def test_which_engine(monkeypatch):
    config, told = ModelConfig(backbone="rwkv"), Told()
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert choose(config, "auto", "auto", 1, told) == EngineChoice("numba", "cpu")
    assert choose(config, "auto", "auto", 500, told) == EngineChoice("numba", "cpu")
    assert choose(config, "torch", "cpu", 1, told) == EngineChoice("torch", "cpu")
    assert choose(config, "auto", "cuda", 1, told) == EngineChoice("torch", "cuda")
    assert told.messages == []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose(config, "auto", "auto", 1, told) == EngineChoice("numba", "cpu")
    assert choose(config, "auto", "auto", 500, told) == EngineChoice("torch", "cuda")
    with pytest.raises(ConfigError, match="--engine numba: it computes on the CPU, not on cuda"):
        choose(config, "numba", "cuda", 1, told)


def test_without_numba_torch_writes_and_says_so(monkeypatch):
    told = Told()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choose(ModelConfig(backbone="rwkv"), "auto", "cpu", 1, told).engine == "torch"
    assert told.messages[0].startswith("Generating with torch: numba is not installed")
    with pytest.raises(ConfigError, match="numba is not installed"):
        choose(ModelConfig(backbone="rwkv"), "numba", "auto", 1, told)


def test_damaged_checkpoints_are_told_without_torch_too(folder: Path, tmp_path: Path):
    tensors = load_file(folder / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    name = "patch_embedding.bias"
    for changed, message in (
        ({key: t for key, t in tensors.items() if key != name}, f"{name} is missing"),
        (tensors | {name: np.zeros(3, np.float32)}, r"has shape \[3\]"),
        (tensors | {"head.more": np.zeros(3, np.float32)}, r"1 tensors .* head\.more"),
        (tensors | {name: np.full(64, np.nan, np.float32)}, "holds NaN"),
        (tensors | {name: np.zeros(64, np.int64)}, "is of I64"),
    ):
        save_file(changed, tmp_path / "model.safetensors")
        with pytest.raises(BadCheckpoint, match=message):
            open_one(tmp_path, "numba", 1)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 30)
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        open_one(tmp_path, "numba", 1)


def test_half_precision_weights_are_read(folder: Path, tmp_path: Path):
    tensors = load_file(folder / "model.safetensors")
    halves = {name: t.astype(np.float16) for name, t in tensors.items()}
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(halves, tmp_path / "model.safetensors")
    assert texts(open_one(tmp_path, "numba", 1), 2) == texts(open_one(tmp_path, "torch", 1), 2)


def test_how_far_a_piece_may_go():
    attention = ModelConfig(backbone="gpt2", max_patches=64)
    recurrent = ModelConfig(backbone="rwkv", max_patches=64)
    assert lengths(attention, None, "auto") == (Limits(64), 64)
    assert lengths(attention, 20, "auto") == (Limits(20), 20)
    assert lengths(attention, 200, "auto") == (Limits(200, 64), 64)
    assert lengths(attention, 200, "never") == (Limits(64), 64)
    assert lengths(recurrent, 200, "auto") == (Limits(200), 200)
    assert lengths(recurrent, 200, "always") == (Limits(200, 64), 64)
    assert lengths(recurrent, 200, "never") == (Limits(200), 200)


def test_requests_write_the_same_files_with_either_engine(folder: Path, tmp_path: Path):
    request = GenerateRequest(
        weights_path=folder, num_samples=3, prompt="K:C\nCDEF GABc|", max_length=80,
        batch_size=2, seed=4, device="cpu",
    )  # fmt: skip
    scores = {}
    for engine in ("numba", "torch"):
        out = tmp_path / engine
        out.mkdir()
        scores[engine] = write_scores(request.model_copy(update={"engine": engine}), out)
        assert [score.record["engine"] for score in scores[engine]] == [engine] * 3
        assert [score.record["number"] for score in scores[engine]] == [1, 2, 3]
        assert len(list(out.glob("*.json"))) == 3
    assert [s.record["raw"] for s in scores["numba"]] == [s.record["raw"] for s in scores["torch"]]
    incomplete = [s.record for s in scores["numba"] if not s.record["complete"]]
    assert all(record["stopped"] == "it reached 80 patches" for record in incomplete)

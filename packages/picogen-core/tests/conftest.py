"""Fixtures of several tests: plugins that are installed for one, small data, a small student."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from picogen_core.data.prepare import prepare
from picogen_core.data.types import SourcePiece
from picogen_core.plugins.discovery import Discovery
from picogen_core.plugins.hookspecs import PROJECT
from picogen_core.plugins.registry import registry

Install = Callable[..., Path]
LETTERS = """
import numpy as np
from picogen_core import LossSpec, Options, hookimpl


class Letters:
    "Rewards letters of notes."

    share, samples = 0.5, 2

    def prepare(self, pieces):
        self.mean = float(np.mean([self.features(text)[0] for text in pieces]))
        return f"letters: {self.mean:.4f}"

    def features(self, text):
        count = sum(text.count(letter) for letter in "CDEFGABcdefgab")
        return np.array([count / len(text) if text else np.nan])

    def rewards(self, features):
        return features[:, 0]

    def parts(self, features):
        return {"share": float(np.nanmean(features))}


@hookimpl
def picogen_losses():
    yield LossSpec(name="letters", summary="Letters.", config=lambda: Options,
                   build=lambda options: Letters())
"""


@pytest.fixture(scope="session")
def ragged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of 50 tunes of 2 … 9 bars, 40 of them to train on."""
    rng = np.random.default_rng(0)
    pieces = []
    for i in range(50):
        bars = ["".join(rng.choice(list("CDEFGABc"), 4)) for _ in range(rng.integers(2, 10))]
        abc = f"X:{i}\nM:4/4\nL:1/4\nK:{'CDFG'[i % 4]}\n" + "|".join(bars) + "|]\n"
        pieces.append(SourcePiece(f"p{i}", abc, "made up", "CC0"))
    folder = tmp_path_factory.mktemp("ragged") / "prepared"
    prepare(pieces, folder, eval_ratio=0.2)
    return folder


@pytest.fixture(scope="session")
def small_student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small student that says which tags it was trained on."""
    import torch
    from picogen_core.model.checkpoint import save_checkpoint
    from picogen_core.model.config import ModelConfig
    from picogen_core.model.student import GenericStudent

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "rwkv"
    config = ModelConfig(
        d_model=64, max_patches=32, backbone="rwkv", backbone_options={"layers": 1},
        head="char-gru",
    )  # fmt: skip
    triples = [("Baroque", "Bach, Johann Sebastian", "Keyboard"), ("Modern", "Dora", "Cello")]
    names = ("period", "composer", "instrumentation")
    tags = [dict(zip(names, triple, strict=True), pieces=3) for triple in triples]
    save_checkpoint(path, GenericStudent(config), {"tags": tags[:1], "init": {"tags": tags[1:]}})
    return path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install("picogen-foo", "0.3", source)`: a distribution with one plugin module `picogen_foo`.

    The modules are forgotten afterwards.
    """
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def install(name: str, version: str, source: str, entry: str = "") -> Path:
        module = name.replace("-", "_")
        path = tmp_path / f"{module}.py"
        path.write_text(source)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{PROJECT}]\n{name} = {entry or module}\n")
        return path

    yield install
    for module in set(sys.modules) - before:
        if module.startswith("picogen_t_"):
            del sys.modules[module]


@pytest.fixture
def offer(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], None]]:
    """`offer("picogen-t-foo", source)`: installed as well for the registry and child processes."""

    def offer(name: str, source: str) -> None:
        install(name, "0.1", source)
        monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *filter(None, sys.path)]))
        registry.cache_clear()

    yield offer
    registry.cache_clear()


@pytest.fixture
def letters(offer: Callable[[str, str], None]) -> None:
    """A feedback of a third party."""
    offer("picogen-t-letters", LETTERS)


@pytest.fixture
def found(tmp_path: Path) -> Callable[[], Discovery]:
    """Discovers what `install` has installed, and that alone."""

    def found() -> Discovery:
        discovery = Discovery()
        for entry in sorted(entry_points(group=PROJECT), key=lambda e: e.name):
            if entry.name.startswith("picogen-t-"):
                discovery.add_entry_point(entry)
        return discovery

    return found

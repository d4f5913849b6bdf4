"""Fixtures of the plugin machinery's tests."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from picogen_core.data.prepare import prepare
from picogen_core.data.types import SourcePiece
from picogen_core.discovery import Discovery
from picogen_core.hookspecs import PROJECT

Install = Callable[..., Path]


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
def found(tmp_path: Path) -> Callable[[], Discovery]:
    """Discovers what `install` has installed, and that alone."""

    def found() -> Discovery:
        discovery = Discovery()
        for entry in sorted(entry_points(group=PROJECT), key=lambda e: e.name):
            if entry.name.startswith("picogen-t-"):
                discovery.add_entry_point(entry)
        return discovery

    return found

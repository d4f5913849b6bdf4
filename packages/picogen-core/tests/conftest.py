"""Fixtures of the plugin machinery's tests."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from picogen_core.discovery import Discovery
from picogen_core.hookspecs import PROJECT

Install = Callable[..., Path]


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

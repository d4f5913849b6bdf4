"""Import guard that keeps heavy libraries out while plugin modules load."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

HEAVY = frozenset({"torch", "transformers", "numpy", "scipy", "music21"})


class HeavyImport(Exception):
    """Not an `ImportError`, so that a plugin's `except ImportError` does not hide it."""


class _RefusingLoader(Loader):
    def __init__(self, refused: list[str]) -> None:
        self._refused = refused

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._refused.append(spec.name)
        raise HeavyImport(refusal(spec.name))

    def exec_module(self, module: ModuleType) -> None:
        raise HeavyImport(refusal(module.__name__))


class ImportGuard(MetaPathFinder):
    """Context in which an import of a heavy library raises `HeavyImport`.

    A library that is already loaded is allowed, and so is the check whether one is installed
    (`importlib.util.find_spec("torch")`). `refused` names the refused imports, in case plugin code
    swallows the exception.
    """

    def __init__(self) -> None:
        self.refused: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root = fullname.partition(".")[0]
        if root not in HEAVY or root in sys.modules:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None:
            spec.loader = _RefusingLoader(self.refused)
        return spec

    def __enter__(self) -> ImportGuard:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.meta_path.remove(self)


def refusal(name: str) -> str:
    """Return the advice for a plugin's author."""
    return f"it imports {name} while it loads; import it inside build() or config()"

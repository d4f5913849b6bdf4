"""Keeps heavy libraries out while plugin modules load."""

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
    """Within `with ImportGuard() as guard:` an import of a heavy library raises `HeavyImport`.

    It is silent about a library that is already loaded, since that costs nothing more. Asking
    whether one is installed (`importlib.util.find_spec("torch")`) stays allowed. `refused` names
    the imports that were refused, for those who swallow every exception.
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
    """What a plugin's author has to do about it."""
    return f"it imports {name} while it loads; import it inside build() or config()"

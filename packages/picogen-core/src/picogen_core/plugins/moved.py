"""Modules with another name in 0.1: importing the old one returns the new one, with a warning.

So plugins of 0.1 work for one more release.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_CORE = "picogen_core."
MOVED = {
    "draws": "compiled.draw_code",
    "pieces": "score.reading",
    "score_file": "score.file",
    "trees": "model.state_tree",
    "xml_notes": "score.xml.notes",
    **{name: f"plugins.{name}" for name in (
        "discovery", "guard", "hookspecs", "options", "protocols", "registry", "specs", "suggest",
    )},
    **{name: f"runtime.{name}" for name in (
        "cache", "devices", "files", "locks", "processes", "progress", "reading", "sandbox",
    )},
    **{name: f"evaluation.{name}" for name in (
        "measuring", "references", "scoring", "significance", "summaries",
    )},
    **{f"abc.{name}": f"abc.reading.{name}" for name in (
        "header", "lexer", "notes", "reader", "timing", "tune", "voices",
    )},
    **{f"abc.{name}": f"abc.interleaved.{name}" for name in ("interleave", "rests")},
    **{f"abc.{name}": f"abc.pitch.{name}" for name in ("interval", "keys", "spell", "transpose")},
    **{f"model.{name}": f"model.files.{name}" for name in (
        "digests", "folder", "hub", "imported", "notagen", "pth", "weights",
    )},
    "data.index": "data.prepared.index",
    "data.store": "data.prepared.store",
    "testing.compiled_backbones": "testing.compiled.backbones",
    "testing.compiled_heads": "testing.compiled.heads",
    "testing.compiled_remembering": "testing.compiled.remembering",
}  # fmt: skip
"""Old name -> new name, both below `picogen_core`."""


class MovedModules(MetaPathFinder, Loader):
    """Finder and loader of old names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        known = fullname.startswith(_CORE) and fullname.removeprefix(_CORE) in MOVED
        return ModuleSpec(fullname, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = _CORE + MOVED[spec.name.removeprefix(_CORE)]
        warnings.warn(f"{spec.name} is {new} since 0.2; 0.3 removes the old name", FutureWarning, 2)
        module = import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing: the module has run under its new name."""
        spec = module.__spec__
        if spec is not None and isinstance(spec.loader_state, ModuleSpec):
            module.__spec__ = spec.loader_state


def find_moved_modules() -> None:
    """Make the old names importable."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())

"""For all tests: shapes are checked, and kernels are compiled before they are needed."""

import os
import re
from pathlib import Path

from jaxtyping import install_import_hook

os.environ.setdefault("PICOGEN_COMPILE", "wait")


TRACED = "picogen_core.onnx."
"""Graphs that torch.export traces: a check of their shapes would fix the free ones."""


def typed_modules() -> list[str]:
    """Return the modules with shapes in their signatures: those that import jaxtyping."""
    found = [
        ".".join(file.relative_to(source).with_suffix("").parts)
        for source in sorted(Path(__file__).parent.glob("packages/*/src"))
        for file in sorted(source.rglob("*.py"))
        if re.search(r"^from jaxtyping import", file.read_text(encoding="utf-8"), re.M)
    ]
    return [name for name in found if not name.startswith(TRACED)]


install_import_hook(typed_modules(), "beartype.beartype")

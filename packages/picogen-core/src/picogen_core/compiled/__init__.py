"""Models without torch: numba kernels over weights as numpy arrays.

`tiles` multiplies, `maths` does what stands between, `transformer` and `heads` are made of both.
A plugin's `compiled_step` may use them; it has to be a `CompiledBackbone` or a `CompiledHead`.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def _load_numba() -> None:
    """numba looks for scipy's BLAS when it is imported, which takes as long as all the rest of it,
    and nothing here uses it: let it find none, unless scipy is there already."""
    if "scipy" in sys.modules or "numba" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    modules["scipy"] = None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del modules["scipy"]


_load_numba()

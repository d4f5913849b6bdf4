"""Models without torch: numba kernels over weights as numpy arrays.

`tiles` multiplies matrices, `maths` has the functions between the products; `transformer` and
`heads` use both. So may a plugin's `compiled_step`, a `CompiledBackbone` or a `CompiledHead`.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def _load_numba() -> None:
    """Import numba without scipy, unless that is loaded already.

    numba imports scipy for its BLAS, which doubles the time and is not used here.
    """
    if "scipy" in sys.modules or "numba" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    modules["scipy"] = None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del modules["scipy"]


_load_numba()

"""How kernels are compiled: kept on disk after the first run, and exact.

A loop is compiled twice, with vector instructions and without, and runs without where its arrays
might overlap: that hangs on where they happen to lie in memory. Both forms have to round alike, so
only what reads and never writes, a `reduction`, has leave to reorder, and nothing has leave to
approximate a quotient, which vector instructions alone would do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# NaN and infinity keep their meaning: a damaged checkpoint has to be noticed.
FUSED = {"contract", "nsz"}
REORDERED = {"reassoc", *FUSED}


def kernel(function: Callable[..., Any], signature: str | None = None) -> Any:
    """`numba.njit` with a cache on disk, as all kernels here are compiled.

    With a signature there is one compiled form, made or loaded now; else one a set of types.

    numba looks only at a kernel's own file to see whether its cached form is out of date: after
    editing a kernel that others call, remove their caches (`__pycache__/*.nb?`).
    """
    return _compile(function, signature)


def inlined(function: Callable[..., Any]) -> Any:
    """A `kernel` that becomes part of whatever calls it: of numbers, for use within loops."""
    return _compile(function, forceinline=True)


def reduction(function: Callable[..., Any]) -> Any:
    """A `kernel` whose sums may be reordered, so that they too become vector instructions.

    It must not write to an array.
    """
    return _compile(function, fastmath=REORDERED)


def _compile(
    function: Callable[..., Any], signature: str | None = None, fastmath: set[str] = FUSED,
    forceinline: bool = False,
) -> Any:  # fmt: skip
    import numba

    settings: dict[str, Any] = {
        "error_model": "numpy", "fastmath": fastmath, "forceinline": forceinline,
    }  # fmt: skip
    try:
        return numba.njit(signature, cache=True, **settings)(function)
    except RuntimeError:  # neither beside the file nor in the user's cache can it be written
        return numba.njit(signature, **settings)(function)


@contextmanager
def when_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Calls `tell` once if a kernel has to be compiled, since it is not on disk."""
    from numba.core import event

    class Announce(event.Listener):
        told = False

        def on_start(self, happening: Any) -> None:
            if not self.told:
                tell()
            self.told = True

        def on_end(self, happening: Any) -> None: ...

    with event.install_listener("numba:compile", Announce()):
        yield

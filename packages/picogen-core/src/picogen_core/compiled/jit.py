"""Compilation of kernels: cached on disk after the first run, and exact.

A loop is compiled twice, with and without vector instructions. The second form runs where its
arrays might overlap, which depends on their addresses. Both have to round alike. So only a
`reduction`, which never writes, may reorder, and nothing may approximate a quotient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# NaN and infinity keep their meaning, so that a damaged checkpoint is noticed.
FUSED = {"contract", "nsz"}
REORDERED = {"reassoc", *FUSED}


def kernel(function: Callable[..., Any], signature: str | None = None) -> Any:
    """Return a function compiled by `numba.njit` with a cache on disk.

    With a signature there is one compiled form, made or loaded now; else one per set of types.

    numba checks only a kernel's own file for changes. After editing a kernel that others call,
    remove their caches (`__pycache__/*.nb?`).
    """
    return _compile(function, signature)


def inlined(function: Callable[..., Any]) -> Any:
    """Return a `kernel` of scalars that is inlined into its callers, for use within loops."""
    return _compile(function, forceinline=True)


def reduction(function: Callable[..., Any]) -> Any:
    """Return a `kernel` whose sums may be reordered, so that they are vectorised too.

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
    except RuntimeError:  # no cache folder is writable
        return numba.njit(signature, **settings)(function)


@contextmanager
def when_compiling(announce: Callable[[], None]) -> Iterator[None]:
    """Context that calls `announce` once if a kernel is not cached and has to be compiled."""
    from numba.core import event

    class Announce(event.Listener):
        announced = False

        def on_start(self, happening: Any) -> None:
            if not self.announced:
                announce()
            self.announced = True

        def on_end(self, happening: Any) -> None: ...

    with event.install_listener("numba:compile", Announce()):
        yield

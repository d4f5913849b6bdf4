"""How kernels are compiled: kept on disk after the first run, exact where NaN is concerned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Sums may be reordered, so that loops become vector instructions. NaN and infinity keep their
# meaning: a damaged checkpoint has to be noticed.
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


def kernel(function: Callable[..., Any], signature: str | None = None) -> Any:
    """`numba.njit` with a cache on disk, as all kernels here are compiled.

    With a signature there is one compiled form, made or loaded now; else one a set of types.

    numba looks only at a kernel's own file to see whether its cached form is out of date: after
    editing a kernel that others call, remove their caches (`__pycache__/*.nb?`).
    """
    import numba

    settings: dict[str, Any] = {"fastmath": FAST, "error_model": "numpy"}
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

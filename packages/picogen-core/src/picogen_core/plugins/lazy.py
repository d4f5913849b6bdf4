"""Lazy imports: a spec can name an object without loading its module."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["lazy", "lazy_class"]


def lazy(target: str) -> Callable[..., Any]:
    """Return a function that imports `"module:name"` at its first call, and calls it.

    For `build`, `compiled_step`, `export` and `script` of a spec:

        build=lazy("my_backbone.gru:Gru")
    """
    module, name = _split(target)

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{target}`, imported when it is called."
    return call


def lazy_class(target: str) -> Callable[[], Any]:
    """Return a function that imports `"module:name"` and returns it: `config` of a spec."""
    module, name = _split(target)
    return lambda: getattr(import_module(module), name)


def _split(target: str) -> tuple[str, str]:
    module, colon, name = target.partition(":")
    if not (colon and module and name.isidentifier()):
        raise ValueError(f"{target!r} is not of the form 'package.module:name'")
    return module, name

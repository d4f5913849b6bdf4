"""Export formats of a student. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from picogen_core.errors import ConfigError, UnknownName
from picogen_core.plugins.registry import Entry
from picogen_core.plugins.specs import BackboneSpec
from picogen_core.plugins.suggest import did_you_mean

ONNX = "onnx"
"""ONNX, for any backbone and head: their calls are traced, without support of the plugin."""

HTML = "html"
"""A page that composes, for parts with a script."""

HUB = "hub"
"""A repository of the Hugging Face hub: the checkpoint with a model card."""


def check_format(backbones: Sequence[Entry[BackboneSpec]], to: str) -> None:
    """Raise if none of `backbones` can be written as `to`.

    Raises:
        UnknownName: none has an `export` of that name.
        ConfigError: the packages that write ONNX are missing.
    """
    if to == ONNX:
        check_packages()
    if to in (ONNX, HTML, HUB):
        return
    known = sorted({ONNX, HTML, HUB, *(name for entry in backbones for name in entry.spec.export)})
    if to in known:
        return
    who = f"{backbones[0].where} cannot" if len(backbones) == 1 else "no backbone can"
    listed = ", ".join(known)
    raise UnknownName(f"{who} be written as {to!r}.{did_you_mean(to, known)} Formats: {listed}.")


def check_packages() -> None:
    """Raise `ConfigError` if onnx or onnxscript is missing."""
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f'writing ONNX needs {" and ".join(missing)}: pip install "picogen-core[onnx]"'
        )

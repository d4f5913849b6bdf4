"""Which formats backbones can be written as. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence

from picogen_core.errors import UnknownName
from picogen_core.registry import Entry
from picogen_core.specs import BackboneSpec
from picogen_core.suggest import did_you_mean


def check_format(backbones: Sequence[Entry[BackboneSpec]], to: str) -> None:
    """Raises `UnknownName` if none of `backbones` brings an `export` called `to`."""
    known = sorted({name for entry in backbones for name in entry.spec.export})
    if to in known:
        return
    who = f"{backbones[0].where} cannot" if len(backbones) == 1 else "no backbone can"
    listed = f"Formats: {', '.join(known)}." if known else "It brings no export."
    raise UnknownName(f"{who} be written as {to!r}.{did_you_mean(to, known)} {listed}")

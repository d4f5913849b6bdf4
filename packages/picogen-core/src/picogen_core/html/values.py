"""Translation of Python values to JavaScript: numbers, text, tables, patterns, sets."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from picogen_core.html.names import attribute
from picogen_core.html.patterns import spell_pattern

_SAFE = 2**31


def spell_value(value: Any, refer: Callable[[Any], str]) -> str:
    """Return an expression of an equal value; `refer` names functions and classes.

    Raises:
        TypeError: the value is not plain data.
    """

    def spell(one: Any) -> str:
        return spell_value(one, refer)

    if value is None or isinstance(value, bool | str | float):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < _SAFE else f"{value}n"
    if isinstance(value, Fraction):
        return f"$fraction({value.numerator},{value.denominator})"
    if isinstance(value, bytes):
        return f"new Uint8Array([{','.join(map(str, value))}])"
    if isinstance(value, re.Pattern):
        return spell_pattern(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return f"{refer(type(value))}.$new({','.join(map(spell, value))})"
    if isinstance(value, tuple | list | range):
        return f"[{','.join(map(spell, value))}]"
    if isinstance(value, set | frozenset):
        return f"new $Set([{','.join(map(spell, sorted(value, key=repr)))}])"
    if isinstance(value, Mapping):
        pairs = ",".join(f"[{spell(key)},{spell(one)}]" for key, one in value.items())
        return f"new $Dict([{pairs}])"
    if inspect.isfunction(value) or inspect.isclass(value) or hasattr(value, "__wrapped__"):
        return refer(value)
    if dataclasses.is_dataclass(value):
        pairs = ",".join(
            f"{attribute(field.name)}:{spell(getattr(value, field.name))}"
            for field in dataclasses.fields(value)
        )
        return f"$made({refer(type(value))},{{{pairs}}})"
    raise TypeError(f"{value!r} of {type(value)} cannot be written as JavaScript")

"""Command line options from the fields of an options class: names, types, bounds, help."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from picogen_core.plugins.options import Options, option_name
from pydantic.fields import FieldInfo

Command = Callable[..., None]


def takes(
    options: type[Options],
    argument: str,
    panels: Mapping[str, Sequence[str]],
    short: Mapping[str, str] | None = None,
) -> Callable[[Command], Command]:
    """Give a command an option per field; the command receives those given as a dict `argument`.

    An option that is left out is not in the dict, so that the class sets its default.

    panels: fields by their heading in the help, in the order of the help.
    short:  one-letter names by field, such as `-n`.
    """
    names = [name for fields in panels.values() for name in fields]

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        prefix = f"PICOGEN_{command.__name__}".upper()
        added = [
            _parameter(name, options.model_fields[name], panel, (short or {}).get(name), prefix)
            for panel, fields in panels.items()
            for name in fields
        ]
        own = [one for name, one in signature.parameters.items() if name != argument]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            given = {name: values.pop(name) for name in names}
            values[argument] = {
                name: _one(one) for name, one in given.items() if one not in (None, [])
            }
            command(**values)

        keyword = inspect.Parameter.KEYWORD_ONLY
        ordered = [one.replace(kind=keyword) for one in [*added, *own]]
        run.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in ordered}
        return run

    return decorate


def _parameter(
    name: str, field: FieldInfo, panel: str, short: str | None, prefix: str
) -> inspect.Parameter:
    kind = _plain(field.annotation)
    word = option_name(name, field)
    flag = "--" + word.replace("_", "-")
    if kind is bool:
        flag = f"{flag}/--no-{flag[2:]}" if field.default is not False else flag
    option: Any = typer.Option(
        flag,
        *([short] if short else []),
        help=_help(field),
        rich_help_panel=panel,
        envvar=f"{prefix}_{word}".upper(),
        **(_bounds(field) if kind in (int, float) else {}),
    )
    annotation: Any = Annotated[kind | None, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _plain(annotation: Any) -> Any:
    """Return the type that the command line reads: `int` for `int | None`, text for all else.

    `Path | tuple[Path, ...]` is an option that may be given more than once.
    """
    if get_origin(annotation) in (Union, UnionType):
        kinds = [one for one in get_args(annotation) if one is not NoneType]
        if any(get_origin(one) is tuple for one in kinds):
            return list[kinds[0]]  # type: ignore[valid-type]
        (annotation,) = kinds
    readable = annotation in (bool, int, float, Path) or get_origin(annotation) is Literal
    return annotation if readable else str


def _one(value: Any) -> Any:
    """Return the only value of an option that was given once, else all of them as a tuple."""
    if not isinstance(value, list):
        return value
    return value[0] if len(value) == 1 else tuple(value)


def _bounds(field: FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for limit in field.metadata:
        if (least := getattr(limit, "ge", None)) is not None:
            found["min"] = least
        if (most := getattr(limit, "le", None)) is not None:
            found["max"] = most
    return found


def _help(field: FieldInfo) -> str:
    """Return the description with its default, as `Pieces of a micro-batch [4].`

    A default that the description explains, behind "left out", is not shown.
    """
    text, value = field.description or "", field.default
    if value in (None, False, "") or "left out" in text:
        return text
    return f"{text.removesuffix('.')} [{'on' if value is True else value}]."

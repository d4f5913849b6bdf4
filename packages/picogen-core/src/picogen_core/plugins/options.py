"""Base class of all options: frozen, closed and described."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from picogen_core.errors import BadInput, ConfigError
from picogen_core.plugins.suggest import did_you_mean

MAX_SEED = (1 << 63) - 1
"""Largest seed that torch accepts."""
_SHOWN = 80  # characters of a value in a message
MAX_COUNT = 1 << 53
"""Largest count of steps or characters: floats represent integers exactly up to here."""


class Options(BaseModel):
    """Base class; a subclass has one described field per option:

    >>> from pydantic import Field
    >>> class GruOptions(Options):
    ...     layers: int = Field(2, ge=1, description="Stacked GRU layers.")
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )


class Settings(Options):
    """Options that a script builds itself. Raises `ConfigError`, one line, for a wrong one."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: Any, info: ValidationInfo) -> Any:
        try:
            return handler(values)
        except ValidationError as error:
            if info.context is not None:  # of `parse_options`, which knows where they come from
                raise
            raise ConfigError(f"{cls.__name__}: {_first_fault(cls, error)}") from None


O = TypeVar("O", bound=BaseModel)  # noqa: E741


def parse_options(cls: type[O], values: Mapping[str, Any], where: str) -> O:
    """Return `cls` built from `values`; `where` (`backbone 'rwkv'`) begins an error message.

    Raises:
        ConfigError: one line with the option, the fault and, for an unknown name, the nearest.
    """
    try:
        return cls.model_validate(dict(values), context={"where": where})
    except ValidationError as error:
        raise ConfigError(f"{where}: {_first_fault(cls, error)}") from None


def check_fields(cls: type[BaseModel], values: Mapping[str, Any], where: str) -> None:
    """Raise `BadInput`, one line that begins with `where`, if a file's fields do not fit `cls`."""
    try:
        cls.model_validate(values, context={"where": where})
    except ValidationError as error:
        raise BadInput(f"{where}: {_first_fault(cls, error)}") from None


@dataclass(frozen=True)
class OptionInfo:
    """A readable option: `type` with its bounds (`int, >= 1`), `default` as JSON data."""

    name: str
    type: str
    required: bool
    default: Any
    description: str


def describe_options(cls: type[BaseModel]) -> list[OptionInfo]:
    """Return one record per option, in the order of the class."""
    return [_describe(name, info) for name, info in cls.model_fields.items()]


def option_name(name: str, info: FieldInfo) -> str:
    """Return the name by which users know a field: `continue` for the field `continued`."""
    return info.serialization_alias or info.alias or name


def option_faults(cls: type[BaseModel]) -> list[str]:
    """Return the reasons why `cls` is not frozen, closed and described; empty if it is."""
    faults = []
    if not cls.model_config.get("frozen"):
        faults.append("is not frozen")
    if cls.model_config.get("extra") != "forbid":
        faults.append("does not forbid unknown options")
    bare = [name for name, info in cls.model_fields.items() if not info.description]
    return faults + [f"does not describe option {name!r}" for name in bare]


def _describe(name: str, info: FieldInfo) -> OptionInfo:
    bounds = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    limits = [
        f"{sign} {getattr(limit, key)}"
        for limit in info.metadata
        for key, sign in bounds.items()
        if hasattr(limit, key)
    ]
    default = info.get_default(call_default_factory=True, validated_data={})
    shown = None if info.is_required() else to_jsonable_python(default)
    type_name = ", ".join([_type_name(info.annotation), *limits])
    return OptionInfo(name, type_name, info.is_required(), shown, info.description or "")


def _type_name(annotation: Any) -> str:
    """Return a type's name: `int`, `Path | None`, `'a' | 'b'` for a literal."""
    if get_origin(annotation) is Literal:
        return " | ".join(repr(choice) for choice in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(_type_name(part) for part in get_args(annotation))
    if annotation is NoneType:
        return "None"
    plain_class = isinstance(annotation, type) and get_origin(annotation) is None
    return annotation.__name__ if plain_class else str(annotation).replace("typing.", "")


def _first_fault(cls: type[BaseModel], error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = sorted(option_name(name, info) for name, info in cls.model_fields.items())
        listed = f" Options: {', '.join(known)}." if known else " It has no options."
        return f"there is no option {name!r}.{did_you_mean(name, known)}{listed}"
    message = (fault["msg"][0].lower() + fault["msg"][1:]).removeprefix("value error, ")
    if not name:
        return message
    if fault["type"] == "missing":
        return f"it has no {name!r}."
    return f"{name}={_shown(fault['input'])}: {message}."


def _shown(value: Any) -> str:
    """Return a readable value, shortened if it is long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deep; an integer of too many digits
        return "…"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

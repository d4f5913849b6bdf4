"""The one base of all options: frozen, closed and described."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from picogen_core.errors import ConfigError
from picogen_core.suggest import did_you_mean


class Options(BaseModel):
    """Subclass it with one described field an option:

    >>> from pydantic import Field
    >>> class GruOptions(Options):
    ...     layers: int = Field(2, ge=1, description="Stacked GRU layers.")
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


O = TypeVar("O", bound=BaseModel)  # noqa: E741


def parse_options(cls: type[O], values: Mapping[str, Any], where: str) -> O:
    """Build `cls` from `values`; `where` (`backbone 'rwkv'`) heads the message if they don't fit.

    Raises:
        ConfigError: one line that names the option, the fault and, for an unknown name, the nearest.
    """
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_first_fault(cls, error)}") from None


def _first_fault(cls: type[BaseModel], error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = sorted(cls.model_fields)
        listed = f" Options: {', '.join(known)}." if known else " It has no options."
        return f"there is no option {name!r}.{did_you_mean(name, known)}{listed}"
    message = fault["msg"][0].lower() + fault["msg"][1:]
    if not name:
        return message.removeprefix("value error, ")
    return f"{name}={fault['input']!r}: {message}."

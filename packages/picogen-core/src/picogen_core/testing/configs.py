"""Properties of options, the same for every kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from picogen_core.errors import ConfigError
from picogen_core.plugins.options import option_faults, parse_options
from picogen_core.plugins.registry import Entry


class Configured(Protocol):
    """A subject that has options."""

    @property
    def entry(self) -> Entry[Any]: ...

    @property
    def options(self) -> Mapping[str, Any]: ...


def config_round_trips(subject: Configured) -> None:
    """Options written as JSON, as a checkpoint does, come back equal."""
    config = subject.entry.options(subject.options)
    written = json.dumps(config.model_dump(mode="json"), allow_nan=False)
    back = subject.entry.options(json.loads(written))
    assert back == config, f"{config} came back from JSON as {back}"


def config_forbids_unknown_keys(subject: Configured) -> None:
    """Options are frozen, closed and described, and an unknown one is an error that names it."""
    cls = subject.entry.config()
    faults = option_faults(cls)
    assert not faults, f"{cls.__name__} {'; '.join(faults)}"
    try:
        parse_options(cls, {**subject.options, "no_such_option": 1}, subject.entry.where)
    except ConfigError as error:
        assert "no_such_option" in str(error), f"the message names no option: {error}"
        return
    raise AssertionError(f"{cls.__name__} takes the option no_such_option")


CONFIG_CHECKS = (config_round_trips, config_forbids_unknown_keys)

"""Weight and schedule of a loss, which every loss has beside its own options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from picogen_core.errors import ConfigError
from picogen_core.plugins.options import Options, parse_options
from picogen_core.plugins.registry import registry
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.training.config import Schedule


class Term(Options):
    """Weight and schedule of a loss.

    Example: `--set loss.physics.weight=0.5 --set loss.physics.schedule=cosine`.
    """

    weight: float = Field(1.0, ge=0, le=1e9, description="Multiplies the loss.")
    schedule: Schedule = Field(
        "constant", description="Weight over the run; linear and cosine fall to 0."
    )

    def weight_at(self, fraction: float) -> float:
        """Return the weight at `fraction` of the run, 0 … 1."""
        if self.schedule == "linear":
            return self.weight * (1 - fraction)
        if self.schedule == "cosine":
            return self.weight * (1 + math.cos(math.pi * fraction)) / 2
        return self.weight


def read_term(name: str, table: Mapping[str, Any]) -> tuple[Term, dict[str, Any]]:
    """Return the term of a loss and the loss's own options, from its configuration table.

    Raises:
        UnknownName: no such loss is installed.
        ConfigError: an unknown option, or a value out of range.
    """
    entry = registry().get("loss", name)
    common = {key: table[key] for key in table if key in Term.model_fields}
    own = {key: table[key] for key in table if key not in Term.model_fields}
    known = [*Term.model_fields, *entry.config().model_fields]
    for key in own:
        if key not in known:
            raise ConfigError(
                f"{entry.where}: there is no option {key!r}.{did_you_mean(key, known)} "
                f"Options: {', '.join(sorted(known))}."
            )
    entry.options(own)
    return parse_options(Term, common, entry.where), own

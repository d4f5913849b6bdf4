"""Checks of a configuration that need no torch."""

from __future__ import annotations

from typing import get_args

from picogen_core.errors import ConfigError
from picogen_core.plugins.registry import registry
from picogen_core.training.config import Part, TrainConfig
from picogen_core.training.run.tracking import check_tracker
from picogen_core.training.terms import read_term

PARTS = get_args(Part)


def check_config(config: TrainConfig) -> None:
    """Raise `UnknownName` for a part that is not installed.

    Raise `ConfigError` for wrong options and for a run that would train nothing.
    """
    if len(config.freeze) == len(PARTS):
        raise ConfigError(
            f"freeze={','.join(config.freeze)} leaves nothing to train. Leave one of them out."
        )
    model = config.model_config_for(None)
    registry().get("backbone", model.backbone).options(model.backbone_options)
    registry().get("head", model.head).options(model.head_options)
    for name, table in config.loss.items():
        read_term(name, table)
    check_tracker(config.track)

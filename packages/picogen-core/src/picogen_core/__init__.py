"""PiCo-Gen's core: the contracts a plugin meets, and the way from music to a student.

Importing it loads neither torch nor numpy. What needs them is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from picogen_core.errors import (
    BadCheckpoint,
    BadInput,
    ConfigError,
    PicogenError,
    PluginError,
    Undefined,
    UnknownName,
)
from picogen_core.evaluation.summaries import HeatMap, PieceFacts, Plot, Summary, Value
from picogen_core.plugins.hookspecs import hookimpl
from picogen_core.plugins.lazy import lazy, lazy_class
from picogen_core.plugins.moved import find_moved_modules
from picogen_core.plugins.options import Options
from picogen_core.plugins.protocols import (
    CONDENSED,
    Backbone,
    Condensed,
    Feedback,
    Head,
    Loss,
    LossBatch,
    LossValue,
    Metric,
    NoteIndex,
    ReferenceRows,
    Row,
    Source,
)
from picogen_core.plugins.specs import (
    BackboneSpec,
    HeadSpec,
    LossSpec,
    MetricSpec,
    Script,
    ShippedWeights,
    SourceSpec,
)

if TYPE_CHECKING:
    from picogen_core.data.open_sources import open_sources
    from picogen_core.data.prepare import Prepared, prepare
    from picogen_core.data.types import SourcePiece
    from picogen_core.evaluation.scoring import ScoreReport, ScoreRequest, score_folder
    from picogen_core.generation import load
    from picogen_core.generation.request.options import GenerateRequest, PieceRequest
    from picogen_core.generation.run import write_scores
    from picogen_core.model.student import GenericStudent
    from picogen_core.plugins.registry import build
    from picogen_core.score.reading import Piece
    from picogen_core.training.config import TrainConfig
    from picogen_core.training.loop import run_training
    from picogen_core.training.state import RunResult

find_moved_modules()

__version__ = "0.2.0"

LAZY = {
    "GenerateRequest": "generation.request.options",
    "GenericStudent": "model.student",
    "Piece": "score.reading",
    "PieceRequest": "generation.request.options",
    "Prepared": "data.prepare",
    "RunResult": "training.state",
    "ScoreReport": "evaluation.scoring",
    "ScoreRequest": "evaluation.scoring",
    "SourcePiece": "data.types",
    "TrainConfig": "training.config",
    "build": "plugins.registry",
    "load": "generation",
    "open_sources": "data.open_sources",
    "prepare": "data.prepare",
    "run_training": "training.loop",
    "score_folder": "evaluation.scoring",
    "write_scores": "generation.run",
}
"""Names that are imported at their first use, and the module of each."""


def __getattr__(name: str) -> Any:
    """Return one of `LAZY`. Raises `AttributeError` for any other name."""
    if name not in LAZY:
        raise AttributeError(f"module 'picogen_core' has no attribute {name!r}")
    return getattr(import_module(f"picogen_core.{LAZY[name]}"), name)


__all__ = [
    "CONDENSED",
    "Backbone",
    "BackboneSpec",
    "BadCheckpoint",
    "BadInput",
    "Condensed",
    "ConfigError",
    "Feedback",
    "GenerateRequest",
    "GenericStudent",
    "Head",
    "HeadSpec",
    "HeatMap",
    "Loss",
    "LossBatch",
    "LossSpec",
    "LossValue",
    "Metric",
    "MetricSpec",
    "NoteIndex",
    "Options",
    "PicogenError",
    "Piece",
    "PieceFacts",
    "PieceRequest",
    "Plot",
    "PluginError",
    "Prepared",
    "ReferenceRows",
    "Row",
    "RunResult",
    "ScoreReport",
    "ScoreRequest",
    "Script",
    "ShippedWeights",
    "Source",
    "SourcePiece",
    "SourceSpec",
    "Summary",
    "TrainConfig",
    "Undefined",
    "UnknownName",
    "Value",
    "build",
    "hookimpl",
    "lazy",
    "lazy_class",
    "load",
    "open_sources",
    "prepare",
    "run_training",
    "score_folder",
    "write_scores",
]

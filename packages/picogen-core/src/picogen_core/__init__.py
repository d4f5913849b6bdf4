"""PiCo-Gen's core: the contracts a plugin meets. Importing it loads neither torch nor numpy."""

from picogen_core.errors import (
    BadCheckpoint,
    BadInput,
    ConfigError,
    PicogenError,
    PluginError,
    Undefined,
    UnknownName,
)
from picogen_core.hookspecs import hookimpl
from picogen_core.options import Options
from picogen_core.protocols import (
    Backbone,
    Feedback,
    Head,
    Loss,
    LossBatch,
    LossValue,
    Metric,
    NoteIndex,
    Row,
    Source,
)
from picogen_core.specs import (
    BackboneSpec,
    HeadSpec,
    LossSpec,
    MetricSpec,
    Script,
    ShippedWeights,
    SourceSpec,
)
from picogen_core.summaries import Summary, Value

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "BackboneSpec",
    "BadCheckpoint",
    "BadInput",
    "ConfigError",
    "Feedback",
    "Head",
    "HeadSpec",
    "Loss",
    "LossBatch",
    "LossSpec",
    "LossValue",
    "Metric",
    "MetricSpec",
    "NoteIndex",
    "Options",
    "PicogenError",
    "PluginError",
    "Row",
    "Script",
    "ShippedWeights",
    "Source",
    "SourceSpec",
    "Summary",
    "Undefined",
    "UnknownName",
    "Value",
    "hookimpl",
]

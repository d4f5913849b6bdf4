"""Options are frozen, closed and described, and their faults fit on one line."""

from pathlib import Path
from typing import Literal

import pytest
from picogen_core import ConfigError, Options
from picogen_core.plugins.options import OptionInfo, describe_options, option_faults, parse_options
from pydantic import BaseModel, Field, model_validator


class Sample(Options):
    layers: int = Field(2, ge=1, le=9, description="Layers.")
    kind: Literal["a", "b"] = Field("a", description="Kind.")
    path: Path | None = Field(None, description="Path.")
    sizes: list[int] = Field(default_factory=lambda: [1], description="Sizes.")
    rate: float = Field(description="Rate.")

    @model_validator(mode="after")
    def _fit(self) -> "Sample":
        if self.rate > self.layers:
            raise ValueError("rate is above layers. Lower it.")
        return self


class Bare(Options):
    pass


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layer": 3, "rate": 1}, "there is no option 'layer'. Did you mean 'layers'? Options: "),
        ({"layers": 0, "rate": 1}, "layers=0: input should be greater than or equal to 1."),
        ({"rate": 3}, "rate is above layers. Lower it."),
    ],
)
def test_faults_are_one_line_that_says_where(values, message):
    with pytest.raises(ConfigError) as error:
        parse_options(Sample, values, "backbone 'x'")
    assert str(error.value).startswith(f"backbone 'x': {message}")
    assert "\n" not in str(error.value)


def test_no_options_at_all():
    with pytest.raises(ConfigError, match=r"there is no option 'x'\. It has no options\."):
        parse_options(Bare, {"x": 1}, "head 'y'")


def test_options_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Sample(rate=1).layers = 3


def test_describe_options():
    assert describe_options(Sample) == [
        OptionInfo("layers", "int, >= 1, <= 9", False, 2, "Layers."),
        OptionInfo("kind", "'a' | 'b'", False, "a", "Kind."),
        OptionInfo("path", "Path | None", False, None, "Path."),
        OptionInfo("sizes", "list[int]", False, [1], "Sizes."),
        OptionInfo("rate", "float", True, None, "Rate."),
    ]


def test_option_faults():
    class Loose(BaseModel):
        layers: int = 2

    assert option_faults(Sample) == []
    assert option_faults(Loose) == [
        "is not frozen",
        "does not forbid unknown options",
        "does not describe option 'layers'",
    ]

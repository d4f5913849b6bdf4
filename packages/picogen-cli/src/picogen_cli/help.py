"""Help of commands: options in groups, and an example at the end."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

ENVIRONMENT = (
    "Every option can be set in the environment: PICOGEN_GENERATE_BARS=16 sets --bars of picogen "
    "generate. The command line takes precedence. Repeated values are separated by spaces."
)
EXAMPLES = {
    "data": "picogen data music21:airds -o data/airds --keys 6",
    "data info": "picogen data info data/airds",
    "train": "picogen train --data data/airds --preset tiny --epochs 5 --exp-name airs",
    "distill": "picogen distill --data data/airds --preset tiny --max-seconds 300 --exp-name first",
    "generate": "picogen generate --bars 16 --meter 6/8 --key G -n 3 --to musicxml,svg -o out/jigs",
    "eval": "picogen eval out/jigs --reference oneills --metric validity,powerlaw --report r.html",
    "convert": "picogen convert air.abc --to musicxml,svg,midi -o out/air",
    "compare": "picogen compare checkpoints/first checkpoints/airs --samples 32 --format md",
    "export": "picogen export checkpoints/first --to html -o page",
    "demo": "picogen demo --train-seconds 60",
    "plugins list": "picogen plugins backbone",
    "plugins show": "picogen plugins show head char-memory",
    "plugins check": "picogen plugins check backbone rwkv --set layers=2",
    "plugins new": "picogen plugins new metric my-metric",
}
"""The example at the end of each command's help."""


class Command(TyperCommand):
    """A command whose help has a heading per group of options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            param.show_envvar = False  # type: ignore[attr-defined]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write each group; options without one come last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in sorted(self.get_params(ctx), key=lambda one: _panel(one) == "Options"):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(_panel(param), []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example as it is typed, on one line."""
        with formatter.section("Example"):
            formatter.write(f"  {self.epilog}\n")


class Group(TyperGroup):
    """A command that has commands, `picogen` itself among them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            param.show_envvar = False  # type: ignore[attr-defined]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the epilog as a paragraph."""
        if self.epilog:
            formatter.write_paragraph()
            formatter.write_text(self.epilog)


def _panel(param: Any) -> str:
    if param.param_type_name == "argument":
        return "Arguments"
    return getattr(param, "rich_help_panel", None) or "Options"

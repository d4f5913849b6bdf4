"""Help of commands: options in groups, and an example at the end."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

ENVIRONMENT = (
    "Environment variables set options: PICOGEN_GENERATE_BARS=16 sets --bars of picogen generate. "
    "The command line goes before them. What may be repeated is separated by spaces."
)


class Command(TyperCommand):
    """A command whose help has a heading per group of options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            param.show_envvar = False  # type: ignore[attr-defined]  # 30 names would hide the help

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
        """Write the examples, one command per line."""
        _examples(self.epilog, formatter)


class Group(TyperGroup):
    """The command `picogen` and its groups."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the epilog with its lines as they are."""
        _examples(self.epilog, formatter)


def _examples(epilog: str | None, formatter: Any) -> None:
    if not epilog:
        return
    examples = [line for line in epilog.splitlines() if line.startswith("picogen ")]
    notes = [line for line in epilog.splitlines() if not line.startswith("picogen ")]
    if examples:
        with formatter.section("Example" if len(examples) == 1 else "Examples"):
            for line in examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
    for line in notes:
        formatter.write_paragraph()
        formatter.write_text(line)


def _panel(param: Any) -> str:
    if param.param_type_name == "argument":
        return "Arguments"
    return getattr(param, "rich_help_panel", None) or "Options"

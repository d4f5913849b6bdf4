"""A comparison of runs as Markdown, CSV or JSON: rows are quantities, columns are runs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from picogen_core import Value
from picogen_core.comparison.seeds import SEED, Group, over_seeds
from picogen_core.evaluation.summaries import with_interval

from picogen_cli.options import JSON_VERSION

Format = Literal["md", "csv", "json"]
MARKS: dict[Format, bytes] = {
    "md": b" | unit | n | better |",
    "csv": b"run,name,value,low,high,unit,n,better",
    "json": b'{\n "runs": [',
}
"""The beginning of a comparison, by which an older one is recognised."""


@dataclass
class Comparison:
    """Runs and what is known of them.

    settings: those that differ, one value per run.
    values:   by name, one per run or None.
    """

    runs: Sequence[str]
    settings: Mapping[str, Sequence[Any]]
    values: dict[str, list[Value | None]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    curves: str | None = None


def pooled(found: Comparison, groups: Sequence[Group]) -> Comparison:
    """Return the comparison with one column per group: runs of several seeds as their mean."""
    settings = {
        name: [group.one_of_each(values) for group in groups]
        for name, values in found.settings.items()
        if name != SEED or len(groups) == len(found.runs)
    }
    values = {
        name: [over_seeds([each[place] for place in group.places]) for group in groups]
        for name, each in found.values.items()
    }
    return replace(found, runs=[group.name for group in groups], settings=settings, values=values)


def to_text(found: Comparison, form: Format) -> str:
    """Return the whole comparison; remarks are in Markdown and JSON."""
    return {"md": _markdown, "csv": _csv, "json": _json}[form](found)


def _markdown(found: Comparison) -> str:
    heads = ["", *(_escaped(run) for run in found.runs)]
    lines = [_row([*heads, "unit", "n", "better"]), _row(["---"] * (len(heads) + 3))]
    for name, values in found.values.items():
        known = [value for value in values if value is not None]
        counts = [str(value.n) for value in known]
        tail = ["", "", ""]
        if known:
            tail = [known[0].unit, "/".join(dict.fromkeys(counts)), known[0].better or ""]
        cells = ["" if value is None else _number(value) for value in values]
        lines.append(_row([_escaped(name), *cells, *map(_escaped, tail)]))
    if found.settings:
        lines += ["", _row(["setting", *heads[1:]]), _row(["---"] * len(heads))]
        for name, settings in found.settings.items():
            lines.append(_row([_escaped(name), *(_escaped(_setting(s)) for s in settings)]))
    else:
        lines += ["", "The settings of all runs are the same."]
    if found.curves:
        lines += ["", f"![Curves of loss](<{found.curves}>)"]
    lines += ["", *(f"- {_escaped(remark)}" for remark in found.remarks)] if found.remarks else []
    return "\n".join(lines) + "\n"


def _csv(found: Comparison) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "name", "value", "low", "high", "unit", "n", "better"])
    for number, run in enumerate(found.runs):
        for name, settings in found.settings.items():
            writer.writerow([run, name, _setting(settings[number]), "", "", "setting", "", ""])
        for name, values in found.values.items():
            v = values[number]
            if v is not None:
                cells = [v.value, v.low, v.high, v.unit, v.n, v.better]
                writer.writerow([run, name, *("" if cell is None else cell for cell in cells)])
    return text.getvalue()


def _json(found: Comparison) -> str:
    data = asdict(found)
    data["values"] = {
        name: [None if value is None else {k: v for k, v in asdict(value).items() if v is not None}
               for value in values]
        for name, values in found.values.items()
    }  # fmt: skip
    # The version comes last: a comparison is recognised by its first line.
    return json.dumps({**data, "version": JSON_VERSION}, indent=1, default=str) + "\n"


def _number(value: Value) -> str:
    whole = value.unit in ("parameter", "step", "character")
    return f"{value.value:,.0f}" if whole else with_interval(value)


def _setting(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Return foreign text as Markdown shows it literally."""
    return re.sub(r"([\\`*{}\[\]<>|~#&]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split()))

"""The tables and the picture of docs/studies/heads.md, from the cells that `heads.py` has run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from grammar import undo_format
from picogen_core.abc.reading.notes import read_tune
from picogen_core.report.charts import lines, standalone
from picogen_core.report.drawing import Series
from picogen_metrics.validity import align_bars

Row = dict[str, Any]
COLUMNS = {
    "self_similarity_1": 1, "self_similarity_2": 1, "self_similarity_4": 1, "self_similarity_8": 1,
    "distinct_bars_1": 1, "rep": 3, "beta": 2, "powerlaw_distance": 2, "meter_agreement": 1,
    "copied_run": 2, "longest_copied_run": 0,
}  # fmt: skip


def report(out: Path) -> None:
    """Print what there is; write `quality-against-time.svg` beside the cells."""
    rows = [json.loads(file.read_text()) for file in sorted(out.glob("*/cell.json"))]
    times = json.loads(_text(out / "times.json", "{}"))
    tunes = [row for row in rows if row["cell"].rpartition("-")[2].isdigit()]
    tunes = [row for row in tunes if not row["cell"].startswith("rate-")]
    print("## Learning rates\n")
    _table(["cell", "bits"], ([r["cell"], _n(r["bits"], 3)] for r in _of(rows, "rate-")))
    print("## Tunes\n")
    _likelihood(tunes, times)
    _music(tunes)
    print("## Variants\n")
    base = next((r for r in rows if r["cell"] == "variant-as-it-is"), None)
    variants = _of(rows, "variant-")
    _table(
        ["char-memory with", "bits", "against as it is", "steps", "parameters", "sim 4", "meter"],
        (
            [
                r["cell"].removeprefix("variant-").replace("-", " "), _n(r["bits"], 3),
                _n(r["bits"] - base["bits"], 3) if base else "", r["steps"],
                f"{r['parameters']:,}", _n(_mean(r, "self_similarity_4"), 1),
                _n(_mean(r, "meter_agreement"), 1),
            ]
            for r in variants
        ),
    )  # fmt: skip
    print("## Chorales\n")
    _chorales(_of(rows, "chorales-"), out)
    if times:
        _picture(tunes, times, out / "quality-against-time.svg")


def _likelihood(rows: list[Row], times: dict[str, float]) -> None:
    def line(key: tuple[str, str], group: list[Row]) -> list[Any]:
        bits = [row["bits"] for row in group]
        low, high = (group[0]["bits_interval"][end] for end in ("low", "high"))
        first = group[0]
        return [
            *key, ", ".join(_n(b, 3) for b in bits),
            f"[{low:.3f}, {high:.3f}]" if len(bits) == 1 else f"mean {statistics.fmean(bits):.3f}",
            f"{first['parameters'] / 1e6:.2f} M", f"{first['lr']:g}", first["steps"],
            f"{first['characters'] / first['cpu_seconds'] / 1000:.1f} k",
            _n(times.get(first["cell"]), 2),
            f"{first['state_bytes_64'] // 1024:,} / {first['state_bytes_1024'] // 1024:,}",
        ]  # fmt: skip

    heads = [
        "backbone", "head", "bits per character, by seed", "", "parameters", "rate", "steps",
        "characters per CPU s", "ms per patch", "state, KiB at 64 / 1,024 patches",
    ]  # fmt: skip
    _table(heads, (line(key, group) for key, group in _grouped(rows)))


def _music(rows: list[Row]) -> None:
    def line(key: tuple[str, str], group: list[Row]) -> list[Any]:
        return [*key, *(_n(_over(group, name), digits) for name, digits in COLUMNS.items())]

    body = [line(key, group) for key, group in _grouped(rows)]
    if rows:
        music = rows[0]["music"][0]
        real = [
            _n(music[name]["reference"], digits) if name in music else ""
            for name, digits in COLUMNS.items()
        ]
        body.insert(0, ["real tunes", "", *real])
    _table(["backbone", "head", *COLUMNS], body)


def _chorales(rows: list[Row], out: Path) -> None:
    _table(
        ["head", "best bits", "parameters", "unequal bars", "dissonance", "sim 4", "key clarity"],
        (
            [
                r["head"], _n(r["bits"], 3), f"{r['parameters']:,}", _unequal(out / r["cell"]),
                _n(_mean(r, "dissonance"), 1), _n(_mean(r, "self_similarity_4"), 1),
                _n(_mean(r, "key_clarity"), 3),
            ]
            for r in rows
        ),
    )  # fmt: skip


def _unequal(folder: Path) -> str:
    """Of all pieces as the model wrote them, before repair: bars whose voices differ in length."""
    wrong = bars = 0
    for file in sorted(folder.glob("scores-*/*.json")):
        raw = json.loads(file.read_text()).get("raw")
        if raw:
            found = align_bars(read_tune(undo_format(raw))[1])
            wrong, bars = wrong + len(found.wrong), bars + found.bars
    return f"{100 * wrong / bars:.1f} % of {bars:,}" if bars else ""


def _picture(rows: list[Row], times: dict[str, float], file: Path) -> None:
    points = [row for row in rows if row["cell"] in times]
    series = [
        Series(f"{row['backbone']}, {row['head']}", [times[row["cell"]]], [row["bits"]])
        for row in points
    ]
    chart = lines("Quality against time", "ms per patch", "bits per character", series)
    file.write_bytes(standalone([chart], [one.name for one in series]))


def _grouped(rows: list[Row]) -> Iterable[tuple[tuple[str, str], list[Row]]]:
    keys = dict.fromkeys((row["backbone"], row["head"]) for row in rows)
    for key in sorted(keys, key=lambda k: (k[1], k[0])):
        yield (
            key,
            sorted(
                (row for row in rows if (row["backbone"], row["head"]) == key),
                key=lambda row: row["seed"],
            ),
        )


def _of(rows: list[Row], prefix: str) -> list[Row]:
    return [row for row in rows if row["cell"].startswith(prefix)]


def _mean(row: Row, name: str) -> float | None:
    found = [music[name]["value"] for music in row.get("music", ()) if name in music]
    return statistics.fmean(found) if found else None


def _over(rows: list[Row], name: str) -> float | None:
    found = [value for row in rows if (value := _mean(row, name)) is not None]
    return statistics.fmean(found) if found else None


def _n(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(heads: list[str], body: Iterable[list[Any]]) -> None:
    rows = [heads, ["---"] * len(heads), *body]
    show: Callable[[list[Any]], str] = lambda cells: f"| {' | '.join(map(str, cells))} |"  # noqa: E731
    print("\n".join(map(show, rows)), end="\n\n")


def _text(file: Path, otherwise: str) -> str:
    return file.read_text() if file.is_file() else otherwise

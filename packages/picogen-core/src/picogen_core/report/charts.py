"""Small SVG charts without inline styles, which a strict content-security policy allows.

Colours come from the classes of `charts.css`, in a light and a dark scheme: `s0`, `s1`, … for the
series, `band` for an interval. `aria-label` describes each chart in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files

from lxml import etree

from picogen_core.evaluation.summaries import HeatMap, Plot
from picogen_core.report.drawing import (
    BOTTOM,
    COLOURS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    add,
    axis_x,
    axis_y,
    element,
    fixed,
    frame,
    is_drawn,
    legend,
    legend_width,
    nothing,
    svg_name,
    write,
)

_LEVELS = 12
_FEW = 24
"""Lines with at most this many points mark each of them."""
LEGEND = 28


def stylesheet() -> str:
    """Return the colours of charts, for a page or a standalone file."""
    return (files(__package__) / "charts.css").read_text(encoding="utf-8")


CURVES_MARK = b'class="chart page"'
"""Mark in the first tag of such a file, which identifies an older one."""


def standalone(charts: Sequence[etree._Element], names: Sequence[str], columns: int = 1) -> bytes:
    """Return charts of the same series as one SVG file, row by row, below their legend."""
    width = max(float(WIDTH * columns), legend_width(names) + LEFT)
    height = math.ceil(len(charts) / columns) * HEIGHT + LEGEND
    box = f"0 0 {fixed(width)} {height}"
    size = {"width": fixed(width), "height": str(height), "viewBox": box}
    root = element("svg", {**size, "class": "chart page"})
    etree.SubElement(root, svg_name("style")).text = stylesheet()
    legend(root, names, LEFT, 10)
    for number, chart in enumerate(charts):
        chart.set("x", str(number % columns * WIDTH))
        chart.set("y", str(number // columns * HEIGHT + LEGEND))
        chart.set("width", str(WIDTH))
        chart.set("height", str(HEIGHT))
        root.append(chart)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def draw(plot: Plot | HeatMap, baseline: Plot | None = None) -> etree._Element:
    """Return a metric's plot, with those of the reference and a baseline as further series."""
    if isinstance(plot, HeatMap):
        return heat_map(plot)
    names = [x for x in plot.x if isinstance(x, str)]
    places = [float(i if isinstance(x, str) else x) for i, x in enumerate(plot.x)]
    series = series_of(plot, places, baseline)
    if names:
        return bars(plot.title, plot.x_label, plot.y_label, names, series)
    return lines(plot.title, plot.x_label, plot.y_label, series, log=plot.log)


def series_of(plot: Plot, x: Sequence[float], baseline: Plot | None = None) -> list[Series]:
    """Return the series of a plot by name; a baseline with another x is left out."""
    series = [Series("these scores", x, plot.y, plot.low, plot.high)]
    if plot.reference:
        ends = plot.reference_low, plot.reference_high
        series.append(Series("reference", x, plot.reference, *ends))
    if baseline is not None and list(baseline.x) == list(plot.x):
        series.append(Series("baseline", x, baseline.y))
    return series


def lines(
    title: str, x_label: str, y_label: str, series: Sequence[Series], log: bool = False
) -> etree._Element:
    """Return lines over numbers, each with its band; with `log` both axes are logarithmic."""
    shown = [x for one in series for x, y in zip(one.x, one.y, strict=True) if is_drawn(y, log)]
    heights = [
        float(y)
        for one in series
        for y in (*one.y, *one.low, *one.high)
        if is_drawn(y, log) and y is not None
    ]
    chart = frame(title, x_label, y_label, series)
    if not shown:
        return nothing(chart)
    x_at = axis_x(chart, min(shown), max(shown), log)
    y_at = axis_y(chart, min(heights), max(heights), log)
    for number, one in enumerate(series):
        band = [
            (x, low, high)
            for x, low, high in zip(one.x, one.low, one.high, strict=False)
            if is_drawn(low, log) and is_drawn(high, log)
        ]
        if band:
            upper = [
                f"{fixed(x_at(x))},{fixed(y_at(high))}" for x, _, high in band if high is not None
            ]
            lower = [
                f"{fixed(x_at(x))},{fixed(y_at(low))}"
                for x, low, _ in reversed(band)
                if low is not None
            ]
            points = " ".join([*upper, *lower])
            add(chart, "polygon", {"class": f"band s{number % COLOURS}", "points": points})
    for number, one in enumerate(series):
        path, joined = [], False
        for x, y in zip(one.x, one.y, strict=True):
            if y is None or not is_drawn(y, log):
                joined = False
                continue
            path.append(f"{'L' if joined else 'M'}{fixed(x_at(x))} {fixed(y_at(y))}")
            joined = True
            if len(one.x) <= _FEW:
                place = {"cx": fixed(x_at(x)), "cy": fixed(y_at(y)), "r": "2.4"}
                add(chart, "circle", {"class": f"dot s{number % COLOURS}", **place})
        add(chart, "path", {"class": f"line s{number % COLOURS}", "d": "".join(path)})
    return chart


def bars(
    title: str, x_label: str, y_label: str, names: Sequence[str], series: Sequence[Series]
) -> etree._Element:
    """Return bars over names from 0 up, side by side; empty names at both ends are left out."""
    used = [i for one in series for i, y in enumerate(one.y) if y]
    chart = frame(title, x_label, y_label, series)
    if not used:
        return nothing(chart)
    first, last = min(used), max(used)
    count = last - first + 1
    top = max(float(y) for one in series for y in one.y if y)
    y_at = axis_y(chart, 0.0, top, log=False)
    step = (WIDTH - LEFT - RIGHT) / count
    width = step * 0.84 / len(series)
    for number, one in enumerate(series):
        path = []
        for i in range(first, last + 1):
            y = one.y[i]
            if y:
                left = LEFT + (i - first) * step + 0.08 * step + number * width
                bottom = fixed(y_at(0))
                path.append(f"M{fixed(left)} {bottom}V{fixed(y_at(y))}h{fixed(width)}V{bottom}z")
        add(chart, "path", {"class": f"bar s{number % COLOURS}", "d": "".join(path)})
    every = math.ceil(count / 13)
    for i in range(first, last + 1, every):
        x = LEFT + (i - first + 0.5) * step
        write(chart, names[i], x, HEIGHT - BOTTOM + 14, "middle")
    return chart


def heat_map(plot: HeatMap) -> etree._Element:
    """Return a square of cells, darker towards 1; its rows begin at the top."""
    chart = frame(plot.title, plot.label, plot.label, ())
    count = len(plot.cells)
    if not count:
        return nothing(chart)
    size = HEIGHT - TOP - BOTTOM
    step = size / count
    paths: dict[int, list[str]] = {}
    for row, cells in enumerate(plot.cells):
        levels = [-1 if cell is None else round(cell * _LEVELS) for cell in cells]
        begun = 0
        for i in range(1, len(levels) + 1):
            if i == len(levels) or levels[i] != levels[begun]:
                left, width = fixed(LEFT + begun * step), fixed((i - begun) * step)
                run = f"M{left} {fixed(TOP + row * step)}h{width}v{fixed(step)}H{left}z"
                paths.setdefault(levels[begun], []).append(run)
                begun = i
    for level, runs in sorted(paths.items()):
        if level > 0:
            opacity = f"{level / _LEVELS:.2f}"
            add(chart, "path", {"class": "cell", "fill-opacity": opacity, "d": "".join(runs)})
        elif level < 0:
            add(chart, "path", {"class": "none", "d": "".join(runs)})
    box = {"x": str(LEFT), "y": str(TOP), "width": fixed(size), "height": fixed(size)}
    add(chart, "rect", {"class": "edge", **box})
    for i in range(0, count, max(1, math.ceil(count / 8 / 4) * 4 if count > 8 else 1)):
        write(chart, str(i + 1), LEFT + (i + 0.5) * step, TOP + size + 14, "middle")
        write(chart, str(i + 1), LEFT - 5, TOP + (i + 0.5) * step + 4, "end")
    return chart

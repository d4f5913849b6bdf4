"""Small SVG charts without inline styles, so that a strict content-security policy lets them be.

Colours come from the classes of `charts.css`, which knows a light and a dark scheme: `s0`, `s1`, …
for the series, `band` for an interval. What a chart shows is also said in words (`aria-label`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from lxml import etree

from picogen_core.protocols import HeatMap, Plot

SVG = "http://www.w3.org/2000/svg"
WIDTH, HEIGHT = 480, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 40, 44
_LEVELS = 12
COLOURS = 8
"""So many series have a colour of their own."""

Numbers = Sequence[float | None]
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """A line, or one of the bars at each name; `low` and `high` are its 95 % interval."""

    name: str
    x: Sequence[float]
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()


def stylesheet() -> str:
    """The colours of charts, for a page or for a file of their own."""
    return (files(__package__) / "charts.css").read_text(encoding="utf-8")


def standalone(charts: Sequence[etree._Element], columns: int = 1) -> bytes:
    """Charts as one SVG file."""
    rows = math.ceil(len(charts) / columns)
    size = {"width": str(WIDTH * columns), "height": str(HEIGHT * rows)}
    box = f"0 0 {WIDTH * columns} {HEIGHT * rows}"
    root = _element("svg", {**size, "viewBox": box, "class": "chart page"})
    etree.SubElement(root, _name("style")).text = stylesheet()
    for number, chart in enumerate(charts):
        chart.set("x", str(number % columns * WIDTH))
        chart.set("y", str(number // columns * HEIGHT))
        chart.set("width", str(WIDTH))
        chart.set("height", str(HEIGHT))
        root.append(chart)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def draw(plot: Plot | HeatMap, baseline: Plot | None = None) -> etree._Element:
    """A metric's plot, with the reference and a baseline's as further series."""
    if isinstance(plot, HeatMap):
        return heat_map(plot)
    names = [x for x in plot.x if isinstance(x, str)]
    places = [float(i if isinstance(x, str) else x) for i, x in enumerate(plot.x)]
    series = series_of(plot, places, baseline)
    if names:
        return bars(plot.title, plot.x_label, plot.y_label, names, series)
    return lines(plot.title, plot.x_label, plot.y_label, series, log=plot.log)


def series_of(plot: Plot, x: Sequence[float], baseline: Plot | None = None) -> list[Series]:
    """What a plot draws, by name; a baseline of another plot's x is left out."""
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
    """Lines over numbers, each with its band; with `log` on two logarithmic axes."""
    shown = [x for one in series for x, y in zip(one.x, one.y, strict=True) if _drawn(y, log)]
    heights = [
        float(y)
        for one in series
        for y in (*one.y, *one.low, *one.high)
        if _drawn(y, log) and y is not None
    ]
    chart = _frame(title, x_label, y_label, series)
    if not shown:
        return _nothing(chart)
    x_at = _axis_x(chart, min(shown), max(shown), log)
    y_at = _axis_y(chart, min(heights), max(heights), log)
    for number, one in enumerate(series):
        band = [
            (x, low, high)
            for x, low, high in zip(one.x, one.low, one.high, strict=False)
            if _drawn(low, log) and _drawn(high, log)
        ]
        if band:
            upper = [f"{_c(x_at(x))},{_c(y_at(high))}" for x, _, high in band if high is not None]
            lower = [
                f"{_c(x_at(x))},{_c(y_at(low))}" for x, low, _ in reversed(band) if low is not None
            ]
            points = " ".join([*upper, *lower])
            _add(chart, "polygon", {"class": f"band s{number % COLOURS}", "points": points})
    for number, one in enumerate(series):
        path, joined = [], False
        for x, y in zip(one.x, one.y, strict=True):
            if y is None or not _drawn(y, log):
                joined = False
                continue
            path.append(f"{'L' if joined else 'M'}{_c(x_at(x))} {_c(y_at(y))}")
            joined = True
        _add(chart, "path", {"class": f"line s{number % COLOURS}", "d": "".join(path)})
    return chart


def bars(
    title: str, x_label: str, y_label: str, names: Sequence[str], series: Sequence[Series]
) -> etree._Element:
    """Bars over names from 0 up, side by side; empty names at both ends are left out."""
    used = [i for one in series for i, y in enumerate(one.y) if y]
    chart = _frame(title, x_label, y_label, series)
    if not used:
        return _nothing(chart)
    first, last = min(used), max(used)
    count = last - first + 1
    top = max(float(y) for one in series for y in one.y if y)
    y_at = _axis_y(chart, 0.0, top, log=False)
    step = (WIDTH - _LEFT - _RIGHT) / count
    width = step * 0.84 / len(series)
    for number, one in enumerate(series):
        path = []
        for i in range(first, last + 1):
            y = one.y[i]
            if y:
                left = _LEFT + (i - first) * step + 0.08 * step + number * width
                path.append(f"M{_c(left)} {_c(y_at(0))}V{_c(y_at(y))}h{_c(width)}V{_c(y_at(0))}z")
        _add(chart, "path", {"class": f"bar s{number % COLOURS}", "d": "".join(path)})
    every = math.ceil(count / 13)
    for i in range(first, last + 1, every):
        x = _LEFT + (i - first + 0.5) * step
        _text(chart, names[i], x, HEIGHT - _BOTTOM + 14, "middle")
    return chart


def heat_map(plot: HeatMap) -> etree._Element:
    """A square of cells, the darker the nearer to 1; its rows begin at the top."""
    chart = _frame(plot.title, plot.label, plot.label, ())
    count = len(plot.cells)
    if not count:
        return _nothing(chart)
    size = HEIGHT - _TOP - _BOTTOM
    step = size / count
    paths: dict[int, list[str]] = {}
    for row, cells in enumerate(plot.cells):
        levels = [-1 if cell is None else round(cell * _LEVELS) for cell in cells]
        begun = 0
        for i in range(1, len(levels) + 1):
            if i == len(levels) or levels[i] != levels[begun]:
                corner = f"M{_c(_LEFT + begun * step)} {_c(_TOP + row * step)}"
                run = f"{corner}h{_c((i - begun) * step)}v{_c(step)}H{_c(_LEFT + begun * step)}z"
                paths.setdefault(levels[begun], []).append(run)
                begun = i
    for level, runs in sorted(paths.items()):
        if level > 0:
            opacity = f"{level / _LEVELS:.2f}"
            _add(chart, "path", {"class": "cell", "fill-opacity": opacity, "d": "".join(runs)})
        elif level < 0:
            _add(chart, "path", {"class": "none", "d": "".join(runs)})
    box = {"x": str(_LEFT), "y": str(_TOP), "width": _c(size), "height": _c(size)}
    _add(chart, "rect", {"class": "edge", **box})
    for i in range(0, count, max(1, math.ceil(count / 8 / 4) * 4 if count > 8 else 1)):
        _text(chart, str(i + 1), _LEFT + (i + 0.5) * step, _TOP + size + 14, "middle")
        _text(chart, str(i + 1), _LEFT - 5, _TOP + (i + 0.5) * step + 4, "end")
    return chart


def _frame(title: str, x_label: str, y_label: str, series: Sequence[Series]) -> etree._Element:
    """An empty chart with its title, the names of its axes, and a legend."""
    told = f"{title}: {y_label} by {x_label}"
    told += f"; {', '.join(one.name for one in series)}" if series else ""
    box = f"0 0 {WIDTH} {HEIGHT}"
    attributes = {"viewBox": box, "class": "chart", "role": "img", "aria-label": plain(told)}
    chart = _element("svg", attributes)
    _text(chart, title, _LEFT, 16, "start", "title")
    _text(chart, x_label, WIDTH - _RIGHT, HEIGHT - 8, "end", "label")
    if x_label != y_label:
        _text(chart, y_label, 4, _TOP - 8, "start", "label")
    if len(series) > 1:
        left = float(WIDTH - _RIGHT)
        for number, one in reversed(list(enumerate(series))):
            left -= 6.2 * len(one.name) + 20
            box_at = {"x": _c(left), "y": "24", "width": "10", "height": "8"}
            _add(chart, "rect", {"class": f"key s{number % COLOURS}", **box_at})
            _text(chart, one.name, left + 14, 32, "start")
    return chart


def _axis_x(chart: etree._Element, low: float, high: float, log: bool) -> Scale:
    scale = _scale(low, high, _LEFT, WIDTH - _RIGHT, log)
    for tick in _ticks(low, high, log):
        _text(chart, f"{tick:.4g}", scale(tick), HEIGHT - _BOTTOM + 14, "middle")
    return scale


def _axis_y(chart: etree._Element, low: float, high: float, log: bool) -> Scale:
    room = 0.04 * (high - low) if not log and low else 0.0
    scale = _scale(low - room, high + room, HEIGHT - _BOTTOM, _TOP, log)
    for tick in _ticks(low, high, log):
        y = _c(scale(tick))
        _add(chart, "path", {"class": "grid", "d": f"M{_LEFT} {y}H{WIDTH - _RIGHT}"})
        _text(chart, f"{tick:.4g}", _LEFT - 5, scale(tick) + 4, "end")
    return scale


def _scale(low: float, high: float, begin: float, end: float, log: bool) -> Scale:
    def at(value: float) -> float:
        a, b, x = (math.log(v) for v in (low, high, value)) if log else (low, high, value)
        return begin + (end - begin) * ((x - a) / (b - a) if b > a else 0.5)

    return at


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round numbers from `low` to `high`, three to eight of them."""
    if low == high:
        return [low]
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
            found = [d * 10.0**p for p in powers for d in digits if low <= d * 10.0**p <= high]
            if len(found) > 2:
                return found
        return [low, high]
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(d for d in (1, 2, 2.5, 5, 10) if (high - low) / (step * d) <= 6)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _drawn(y: float | None, log: bool) -> bool:
    return y is not None and math.isfinite(y) and (y > 0 or not log)


def _nothing(chart: etree._Element) -> etree._Element:
    _text(chart, "nothing to draw", WIDTH / 2, HEIGHT / 2, "middle")
    return chart


def _name(tag: str) -> str:
    return f"{{{SVG}}}{tag}"


def _element(tag: str, attributes: dict[str, str]) -> etree._Element:
    return etree.Element(_name(tag), attributes, nsmap={None: SVG})


def _add(parent: etree._Element, tag: str, attributes: dict[str, str]) -> etree._Element:
    return etree.SubElement(parent, _name(tag), attributes)


def _text(
    chart: etree._Element, text: str, x: float, y: float, anchor: str, kind: str = "tick"
) -> None:
    place = {"class": kind, "x": _c(x), "y": _c(y), "text-anchor": anchor}
    _add(chart, "text", place).text = plain(text)


def _c(number: float) -> str:
    """A coordinate to a tenth."""
    return f"{number:.1f}".removesuffix(".0")


def plain(text: str) -> str:
    """Text as XML and HTML may hold it: no control characters and no halves of a character."""
    return "".join(
        c
        for c in text
        if (c >= " " or c in "\t\n")
        and not "\ud800" <= c <= "\udfff"
        and c not in "\x7f\ufffe\uffff"
    )

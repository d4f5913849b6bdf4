"""Differences between arms of a study with 95 % intervals, and the tables of its page.

Bits per character are paired by tune and by seed: tunes and seeds are drawn anew together, for both
arms the same. The pieces that two arms write have nothing in common, so the values of a folder are
drawn from a normal distribution as wide as its own interval over pieces, and seeds as before.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = Sequence[Mapping[str, Any]]
Floats = NDArray[np.float64]
RESAMPLES = 2000
PART = re.compile(r"(<!-- study: (\S+) -->\n).*?(<!-- end -->)", re.S)


def bits(rows: Rows, split: str = "test", tunes: NDArray[np.int64] | None = None) -> Floats:
    """[seeds, resamples] bits per character, of drawn `tunes` [resamples, K] or of all once."""
    nats, counts = (np.array([row[split][k] for row in rows]) for k in ("nats", "characters"))
    drawn = np.arange(nats.shape[1])[None] if tunes is None else tunes
    found: Floats = nats[:, drawn].sum(-1) / counts[:, drawn].sum(-1) / math.log(2)
    return found


def draw(rows: Rows, split: str = "test") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tunes [RESAMPLES, K] and seeds [len(rows), RESAMPLES], always the same ones."""
    rng = np.random.default_rng(0)
    count = len(rows[0][split]["nats"])
    tunes = rng.integers(count, size=(RESAMPLES, count))
    return tunes, rng.integers(len(rows), size=(len(rows), RESAMPLES))


def bits_against(rows: Rows, base: Rows, split: str = "test") -> tuple[float, float, float]:
    """Mean difference in bits per character, and its interval; seeds in the same order."""
    tunes, seeds = draw(rows, split)
    change = bits(rows, split, tunes) - bits(base, split, tunes)
    middle = (bits(rows, split) - bits(base, split)).mean()
    return float(middle), *_interval(np.take_along_axis(change, seeds, 0).mean(0))


def gap_closed(rows: Rows, base: Rows, teacher: Mapping[str, Any]) -> tuple[float, float, float]:
    """Percent of the way from `base` to the teacher, on test tunes: 100 is as good as it."""
    tunes, seeds = draw(rows)

    def share(drawn: NDArray[np.int64] | None) -> Floats:
        mine, alone, best = (bits(each, "test", drawn) for each in (rows, base, [teacher]))
        if drawn is not None:
            mine, alone = (np.take_along_axis(each, seeds, 0) for each in (mine, alone))
        found: Floats = 100 * (alone - mine).mean(0) / (alone - best).mean(0)
        return found

    return float(share(None)[0]), *_interval(share(tunes))


def music_against(rows: Rows, base: Rows, name: str) -> tuple[float, float, float] | None:
    """Mean difference of a value of written pieces, and its interval."""
    pairs = [(a["music"].get(name), b["music"].get(name)) for a, b in zip(rows, base, strict=True)]
    if any(value is None or value["low"] is None for pair in pairs for value in pair):
        return None
    rng = np.random.default_rng(0)
    drawn = np.array([_drawn(a, rng) - _drawn(b, rng) for a, b in pairs])
    seeds = rng.integers(len(pairs), size=(len(pairs), RESAMPLES))
    middle = np.mean([a["value"] - b["value"] for a, b in pairs])
    return float(middle), *_interval(np.take_along_axis(drawn, seeds, 0).mean(0))


def _drawn(value: Mapping[str, Any], rng: np.random.Generator) -> Floats:
    deviation = (value["high"] - value["low"]) / (2 * 1.96)
    return rng.normal(value["value"], deviation, RESAMPLES)


def _interval(drawn: Floats) -> tuple[float, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def mean_music(rows: Rows, name: str) -> float | None:
    found = [row["music"][name]["value"] for row in rows if name in row["music"]]
    return float(np.mean(found)) if found else None


def number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}".replace("-", "−")


def change(found: tuple[float, float, float] | None, digits: int = 3, unit: str = "") -> str:
    """`−0.021 [−0.030, −0.012]`."""
    if found is None:
        return ""
    middle, low, high = (f"{value:+.{digits}f}".replace("-", "−") for value in found)
    return f"{middle}{unit} [{low}, {high}]"


def table(heads: Sequence[str], body: Iterable[Sequence[Any]]) -> str:
    """Markdown; a line in place of the table where there is no row yet."""
    rows = list(body)
    if not rows:
        return "Not run yet."
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def commands(rows: Mapping[str, Mapping[str, Any]], out: Path) -> str:
    """The command of each cell, with `DIR` for the folder of the study."""
    lines = []
    for name, row in rows.items():
        words = shlex.join(row["command"])
        program = "python studies/physics_controls.py" if "physics-control" in words else "picogen"
        lines.append(f"# {name}\n{program} {words.replace(str(out), 'DIR')}")
    return "```sh\n" + "\n".join(lines) + "\n```" if lines else "Not run yet."


def fill(page: Path, parts: Mapping[str, str]) -> None:
    """Write each part between `<!-- study: NAME -->` and `<!-- end -->`.

    Raises:
        SystemExit: the page has other parts than these.
    """
    text = page.read_text(encoding="utf-8")
    there = {match[2] for match in PART.finditer(text)}
    if there != parts.keys():
        raise SystemExit(f"{page}: its parts are {sorted(there)}, not {sorted(parts)}.")
    text = PART.sub(lambda match: f"{match[1]}\n{parts[match[2]]}\n\n{match[3]}", text)
    page.write_text(text, encoding="utf-8")

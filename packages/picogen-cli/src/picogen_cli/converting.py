"""Conversion of new scores to MusicXML, SVG, MIDI beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from picogen_core import ConfigError
from picogen_core.errors import reason
from picogen_core.generation.output import Score
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.files import write_atomic
from picogen_core.runtime.processes import thread_pool
from picogen_core.runtime.progress import Reporter
from picogen_core.score.convert import convert_text
from picogen_core.score.formats import TARGETS
from picogen_core.score.helper import Converter


def convert_scores(
    scores: Sequence[Score], targets: Sequence[str], folder: Path, reporter: Reporter
) -> dict[str, dict[str, Any]]:
    """Return for each score its files, or the `error` that prevented them."""
    workers = min(os.cpu_count() or 1, 4)
    reporter.start("Converting", float(len(scores)), "pieces")
    outcomes: dict[str, dict[str, Any]] = {}
    with Converter(workers) as converter, thread_pool(workers, converter) as pool:

        def convert(score: Score) -> dict[str, Any]:
            try:
                done = convert_text(score.abc, targets, converter)
                for suffix, data in done.files.items():
                    write_atomic(folder / f"{score.name}{suffix}", data)
            except Exception as error:
                return {"error": reason(error)}
            return {
                "files": [score.name + suffix for suffix in done.files],
                "warnings": done.warnings,
            }

        for score, outcome in zip(scores, pool.map(convert, scores), strict=True):
            outcomes[score.name] = outcome
            reporter.advance(len(outcomes))
    reporter.finish()
    return outcomes


def parse_targets(text: str) -> tuple[str, ...]:
    """Return the targets of `musicxml,svg`. Raises `ConfigError` for an unknown one."""
    targets = tuple(part.strip() for part in text.split(",") if part.strip())
    if not targets:
        raise ConfigError(f"--to names no format. Known: {', '.join(TARGETS)}.")
    for target in targets:
        if target not in TARGETS:
            raise ConfigError(
                f"--to {target}: no such format.{did_you_mean(target, TARGETS)} "
                f"Known: {', '.join(TARGETS)}."
            )
    return targets

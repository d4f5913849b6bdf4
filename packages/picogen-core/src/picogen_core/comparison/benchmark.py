"""Benchmark several runs on this machine: likelihood, speed, music."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from picogen_core.comparison.runs import Run
from picogen_core.errors import BadInput
from picogen_core.evaluation.references import open_reference
from picogen_core.evaluation.scoring import ScoreReport, ScoreRequest, score_folder
from picogen_core.evaluation.summaries import Value
from picogen_core.plugins.registry import registry
from picogen_core.runtime.cache import cache_dir
from picogen_core.runtime.locks import in_turn
from picogen_core.runtime.progress import Reporter

ROUNDS, PATCHES = 5, 64


def bits_per_character(runs: Sequence[Run], data: Path, reporter: Reporter) -> list[Value]:
    """Return bits per character of the held-out pieces of `data`, or of all without a split `eval`.

    Pieces are cropped to the shortest context of the runs.

    Raises:
        BadInput: no pieces.
    """
    from picogen_core.data.prepared.index import open_data
    from picogen_core.model.checkpoint import load_model
    from picogen_core.training.evaluate import evaluate

    opened = open_data(data)
    held_out = opened.split("eval").in_source_keys() if len(opened.split("eval")) else opened
    if not len(held_out):
        raise BadInput(f"{data} has no pieces.")
    models = [load_model(run.checkpoint) for run in runs]
    patches = min(model.config.max_patches for model in models)
    reporter.start("Bits per character", float(len(runs)), "runs")
    found = []
    for model in models:
        found.append(evaluate(model, held_out, 8, patches).value())
        reporter.advance(len(found))
    reporter.finish()
    return found


def latency(runs: Sequence[Run], reporter: Reporter) -> tuple[list[Value], list[str]]:
    """Return milliseconds per patch for one piece on the CPU, and the engines used.

    The engine is that of `picogen generate`. The value is the median of `ROUNDS` pieces of up to
    `PATCHES` patches after a warm-up; the runs take turns.
    """
    from picogen_core.generation.decoding.decode import Limits, write
    from picogen_core.generation.decoding.piece import PieceWriter
    from picogen_core.generation.engines.choose import choose, open_engine
    from picogen_core.generation.request.options import SamplingOptions
    from picogen_core.generation.request.prompt import place_prompt
    from picogen_core.model.locate import locate

    sampling = SamplingOptions.model_validate({})
    prompt = place_prompt("").text
    engines, most = [], []
    names: list[str] = []
    for run in runs:
        checkpoint = locate(run.checkpoint, reporter)
        choice = choose(checkpoint.config, "auto", "cpu", 1, reporter)
        most.append(min(PATCHES, checkpoint.config.max_patches))
        engines.append(open_engine(checkpoint, choice, 1, most[-1], reporter))
        names.append(choice.engine)
    times: list[list[float]] = [[] for _ in runs]
    reporter.start("Latency", float((ROUNDS + 1) * len(runs)), "pieces")
    for turn in range(ROUNDS + 1):
        for number, engine in enumerate(engines):
            start = PieceWriter(1, prompt, seed=turn)
            begun = time.perf_counter()
            patches = len(list(write(engine, [start], sampling, Limits(most[number]))))
            spent = time.perf_counter() - begun
            if turn:
                times[number].append(1000 * spent / patches)
            reporter.advance(turn * len(runs) + number + 1)
    reporter.finish()
    found = [Value(statistics.median(of), "ms/patch", ROUNDS, better="lower") for of in times]
    return found, names


def write_samples(run: Run, count: int, seed: int, reporter: Reporter) -> Path:
    """Return a folder of `count` pieces of the run, which the cache keeps."""
    from picogen_core.generation.request.options import GenerateRequest
    from picogen_core.generation.run import write_scores
    from picogen_core.model.locate import locate

    folder = cache_dir() / "samples" / f"{locate(run.checkpoint).digest()[:16]}-{count}-{seed}"
    if folder.is_dir():
        return folder
    with in_turn(folder, reporter) as aside:
        if folder.is_dir():
            return folder
        request = GenerateRequest(
            weights_path=run.checkpoint, num_samples=count, seed=seed, device="cpu"
        )
        write_scores(request, aside, reporter)
        aside.rename(folder)
    return folder


def measure_music(
    folder: Path, request: ScoreRequest, reference: str | Path | None, reporter: Reporter
) -> ScoreReport:
    """Return the metrics of a run's scores; those that need a reference only if there is one."""
    known = None if reference is None else open_reference(reference)
    return score_folder(folder, request, known, reporter)


def measurable(metrics: Sequence[str], reference: bool) -> list[str]:
    """Return the usable metrics: all with a reference, else those that need none."""
    needs = {name: registry().get("metric", name).spec.needs for name in metrics}
    return [name for name in metrics if reference or "reference" not in needs[name]]


def headlines(report: ScoreReport) -> Mapping[str, Value]:
    """Return the headlines of each metric, under their full names."""
    return {
        f"{metric}.{name}": summary.values[name]
        for metric, summary in report.metrics.items()
        for name in (summary.headline, *summary.more_headlines)
        if name is not None and name in summary.values
    }

"""`picogen generate`: a checkpoint and a prompt to scores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from picogen_core import BadInput, ConfigError
from picogen_core.plugins.options import MAX_SEED
from picogen_core.score.formats import BESIDE

from picogen_cli.defaults import SHIPPED
from picogen_cli.options import Device, Force, Json, one_of, print_json
from picogen_cli.reporter import make_reporter

if TYPE_CHECKING:
    from picogen_core.generation.output import Score
    from picogen_core.runtime.progress import Reporter


def generate(
    weights_path: Annotated[
        Path,
        typer.Option(
            help="Shipped weights by name (picogen plugins lists them), run or checkpoint folder, "
            "NotaGen .pth or hf:OWNER/REPO/FILE."
        ),
    ] = Path(SHIPPED),
    backbone: Annotated[
        str | None, typer.Option(help="Checked against the checkpoint, which knows its own.")
    ] = None,
    num_samples: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="How many pieces; left out, 5.")
    ] = None,
    bars: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Bars of each piece, those of the prompt included."),
    ] = None,
    meter: Annotated[str | None, typer.Option(help="Such as 6/8.")] = None,
    key: Annotated[str | None, typer.Option(help="Such as G, Dmin or Ador.")] = None,
    tempo: Annotated[
        str | None, typer.Option(help="Such as 1/4=120, or 120 quarters per minute.")
    ] = None,
    grammar: Annotated[
        bool | None,
        typer.Option(
            "--grammar/--no-grammar",
            help="Steer to sound bars that keep their meter, in all voices; left out, with --bars "
            "alone.",
        ),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=1_048_576,
            help="Most patches a piece, prompt included; left out, as trained, or for --bars.",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.0, max=1000.0, help="0 is greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, max=1000, help="0 keeps all characters.")] = 40,
    top_p: Annotated[float, typer.Option(help="Outside (0, 1) it is off.")] = 0.9,
    min_p: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of the likeliest's probability.")
    ] = 0.0,
    order: Annotated[
        str, typer.Option(help="notagen (temperature after top-k and top-p) or temperature-first.")
    ] = "notagen",
    prompt: Annotated[
        str, typer.Option(help=r"Header, or header and music; \n is a newline.")
    ] = "",
    prompt_file: Annotated[Path | None, typer.Option(help="The same in a file.")] = None,
    continued: Annotated[
        Path | None,
        typer.Option("--continue", help="Go on from this score: ABC, MusicXML, **kern or MIDI."),
    ] = None,
    keep_bars: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100_000,
            help="Of that score keep so many bars, 0: its header; left out, all.",
        ),
    ] = None,
    jobs: Annotated[
        Path | None,
        typer.Option(
            help="JSONL, a piece a line: id, and prompt, continue, bars, seed, temperature, … What "
            "lies finished in the folder is not written again."
        ),
    ] = None,
    shard: Annotated[str, typer.Option(help="Of the list, part i of n: i/n.")] = "1/1",
    candidates: Annotated[
        int, typer.Option(min=1, max=10_000, help="Write so many, keep the best.")
    ] = 1,
    rank: Annotated[
        str, typer.Option(help="What is best: nll, powerlaw, repetition or valid.")
    ] = "nll",
    reference: Annotated[
        str, typer.Option(help="Real music for --rank powerlaw and repetition, as eval takes it.")
    ] = "oneills",
    stream: Annotated[
        bool, typer.Option("--stream", help="Print one piece bar by bar as it is written.")
    ] = False,
    to: Annotated[
        str, typer.Option(help=f"Also write these, comma-separated: {','.join(BESIDE)}.")
    ] = "",
    output_dir: Annotated[Path, typer.Option(help="Where the scores go.")] = Path("out"),
    batch_size: Annotated[int, typer.Option(min=1, max=65536, help="Pieces written at once.")] = 32,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Piece k depends on (seed, k) alone.")
    ] = 0,
    device: Device = None,
    engine: Annotated[
        str, typer.Option(help="auto, numba (compiled, on the CPU) or torch.")
    ] = "auto",
    rollover: Annotated[
        str,
        typer.Option(
            help="Past the trained length, keep header and latest lines: auto (not if recurrent), "
            "always, never."
        ),
    ] = "auto",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write scores: ABC with a JSON beside each, and on request MusicXML, SVG, MIDI."""
    from picogen_core.generation.ranking import RANKS, Ranking
    from picogen_core.generation.request.options import SamplingOptions
    from picogen_core.plugins.options import parse_options
    from picogen_core.runtime.files import output_folder

    from picogen_cli.converting import parse_targets

    targets = parse_targets(to) if to else ()
    _check(num_samples, jobs, shard, stream, candidates, as_json)
    from picogen_core.generation.request.jobs import read_shard
    from picogen_core.generation.run import GenerateRequest, write_scores
    from picogen_core.generation.session import Candidates

    drawn = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "order": one_of("--order", order, ("notagen", "temperature-first")),
    }
    sampling = parse_options(SamplingOptions, drawn, "sampling")
    request = GenerateRequest(
        weights_path=weights_path,
        backbone=backbone,
        prompt=prompt,
        prompt_file=prompt_file,
        continued=continued,
        keep_bars=keep_bars,
        bars=bars,
        meter=meter,
        key=key,
        tempo=tempo,
        grammar=grammar,
        count=num_samples or (1 if stream else 5),
        jobs=jobs,
        shard=read_shard(shard),
        again=force,
        candidates=Candidates(candidates, Ranking(one_of("--rank", rank, RANKS), reference)),
        max_length=max_length,
        sampling=sampling,
        batch_size=batch_size,
        seed=seed,
        device=device or "auto",
        engine=one_of("--engine", engine, ("auto", "numba", "torch")),
        rollover=one_of("--rollover", rollover, ("auto", "always", "never")),
    )
    begun = time.monotonic()
    apart = output_folder(output_dir, force or jobs is not None, shared=request.shard != (1, 1))
    with apart, make_reporter() as reporter:
        tell = partial(typer.echo, nl=False) if stream else None
        scores = write_scores(request, output_dir, reporter, tell)
        converted = _convert(scores, targets, output_dir, reporter)
    _report(scores, converted, output_dir, time.monotonic() - begun, as_json, stream)


def _check(
    num_samples: int | None, jobs: Path | None, shard: str, stream: bool, candidates: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Raises `ConfigError` for options that exclude each other."""
    if jobs and num_samples is not None:
        raise ConfigError("--jobs lists the pieces, a line each. Leave --num-samples out.")
    if shard != "1/1" and not jobs:
        raise ConfigError("--shard is a part of the list that --jobs names. Add it.")
    if stream and (jobs or candidates > 1 or as_json or (num_samples or 1) > 1):
        raise ConfigError(
            "--stream prints one piece. Leave --jobs, --candidates, --json and more than one of "
            "--num-samples out."
        )


def _convert(
    scores: Sequence[Score], targets: Sequence[str], folder: Path, reporter: Reporter
) -> dict[str, Any]:
    """What is new, and what an earlier run did not come to."""
    ends = {"midi": "mid"}
    todo = [
        score
        for score in scores
        if score.abc
        and (
            score.new
            or not all((folder / f"{score.name}.{ends.get(t, t)}").is_file() for t in targets)
        )
    ]
    if not targets or not todo:
        return {}
    from picogen_cli.converting import convert_scores

    return convert_scores(todo, targets, folder, reporter)


def _report(
    scores: Sequence[Score], converted: dict[str, Any], folder: Path, seconds: float,
    as_json: bool, stream: bool,
) -> None:  # fmt: skip
    written = [score for score in scores if score.abc]
    failed = {score.name: score.reason for score in scores if not score.abc}
    if as_json:
        print_json(
            {
                "output_dir": folder,
                "seconds": seconds,
                "written": [score.name for score in written if score.new],
                "found": [score.name for score in scores if not score.new],
                "incomplete": [score.name for score in written if not score.record["complete"]],
                "failed": failed,
                "converted": converted,
            }
        )
    else:
        for score in scores:
            if not score.abc:
                told = f"nothing could be made of it ({score.reason})"
                typer.echo(f"{score.name}: {told if score.record else score.reason}", err=True)
        typer.echo(f"{len(written)} of {len(scores)} pieces in {folder}.", err=stream)
        for name, outcome in converted.items():
            if "error" in outcome:
                typer.echo(f"{name}: not converted ({outcome['error']})", err=True)
    if scores and not written:  # a shard may be empty
        raise BadInput("no piece could be written; the JSON files hold what the model said.")
    if any(not score.abc and not score.record for score in scores):
        raise typer.Exit(1)

"""`picogen generate`: a checkpoint and a prompt to scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from picogen_core import BadInput, ConfigError
from picogen_core.generation.request.options import BEGINNING, CHOICE, SAMPLING, GenerateRequest
from picogen_core.score.formats import BESIDE

from picogen_cli.fields import takes
from picogen_cli.options import Json, print_json
from picogen_cli.reporter import make_reporter

if TYPE_CHECKING:
    from picogen_core.generation.output import Score
    from picogen_core.runtime.progress import Reporter

_ENGINE = ("engine", "device", "batch_size", "rollover")
_MANY = ("num_samples", "seed", "listed", "shard", "force")
_MODEL = ("weights_path", "backbone")
_NAMED = {*_MODEL, *BEGINNING, *SAMPLING, *CHOICE, *_MANY, *_ENGINE}
PANELS = {
    "Checkpoint": _MODEL,
    "The piece": tuple(name for name in GenerateRequest.model_fields if name not in _NAMED),
    "Its beginning": BEGINNING,
    "How many": _MANY,
    "Sampling": SAMPLING,
    "The best of several": CHOICE,
    "Engine": _ENGINE,
}
"""Where the help shows the options; a new field of a piece comes under "The piece"."""


@takes(GenerateRequest, "given", PANELS, short={"num_samples": "-n"})
def generate(
    given: dict[str, Any],
    to: Annotated[
        str,
        typer.Option(
            help=f"Also write these, comma-separated: {','.join(BESIDE)}.",
            rich_help_panel="Output",
        ),
    ] = "",
    output_dir: Annotated[
        Path,
        typer.Option("--output-dir", "-o", help="Where the scores go.", rich_help_panel="Output"),
    ] = Path("out"),
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Print one piece bar by bar as it is generated.",
            rich_help_panel="Output",
        ),
    ] = False,
    jobs: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: Json = False,
) -> None:
    """Write scores: ABC with a JSON beside each, and on request MusicXML, SVG, MIDI."""
    from picogen_core.generation.run import write_scores
    from picogen_core.plugins.options import parse_options
    from picogen_core.runtime.files import output_folder

    from picogen_cli.converting import parse_targets

    targets = parse_targets(to) if to else ()
    if jobs is not None:
        given = _old_list(given, jobs)
    _check(given, stream, as_json)
    given = {"num_samples": 1, **given} if stream else given
    request = parse_options(GenerateRequest, given, "generate")
    begun = time.monotonic()
    listed = request.listed is not None
    apart = output_folder(output_dir, request.force or listed, shared=request.shard != "1/1")
    with apart, make_reporter() as reporter:
        on_text = partial(typer.echo, nl=False) if stream else None
        scores = write_scores(request, output_dir, reporter, on_text)
        converted = _convert(scores, targets, output_dir, reporter)
    _report(scores, converted, output_dir, time.monotonic() - begun, as_json, stream)


def _old_list(given: Mapping[str, Any], jobs: str) -> dict[str, Any]:
    """The options with the list under its name of 0.1, `--jobs FILE`."""
    if jobs.isdecimal():
        raise ConfigError("--jobs counts processes, and generate has one. Leave it out.")
    typer.echo("--jobs FILE is now --list FILE; the old name goes with the next release.", err=True)
    return {"listed": Path(jobs), **given}


def _check(given: Mapping[str, Any], stream: bool, as_json: bool) -> None:
    """Raise `ConfigError` for options that exclude each other."""
    listed = "listed" in given
    if listed and "num_samples" in given:
        raise ConfigError("--list names the pieces, one per line. Leave --num-samples out.")
    if given.get("shard", "1/1") != "1/1" and not listed:
        raise ConfigError("--shard is a part of the list of --list. Add --list.")
    several = given.get("candidates", 1) > 1 or given.get("num_samples", 1) > 1
    if stream and (listed or several or as_json):
        raise ConfigError(
            "--stream prints one piece. Leave --list, --candidates, --json and more than one of "
            "--num-samples out."
        )


def _convert(
    scores: Sequence[Score], targets: Sequence[str], folder: Path, reporter: Reporter
) -> dict[str, Any]:
    """Convert new pieces, and older ones that lack a file."""
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
    scores: Sequence[Score],
    converted: dict[str, Any],
    folder: Path,
    seconds: float,
    as_json: bool,
    stream: bool,
) -> None:
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
                fault = f"the draft cannot be repaired ({score.reason})"
                typer.echo(f"{score.name}: {fault if score.record else score.reason}", err=True)
        typer.echo(f"{len(written)} of {len(scores)} pieces in {folder}.", err=stream)
        for name, outcome in converted.items():
            if "error" in outcome:
                typer.echo(f"{name}: not converted ({outcome['error']})", err=True)
    if scores and not written:  # a shard may be empty
        raise BadInput("no piece could be written; the JSON files hold the drafts of the model.")
    if any(not score.abc and not score.record for score in scores):
        raise typer.Exit(1)

"""`picogen generate`: a checkpoint and a prompt to scores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from picogen_cli.options import Device, Force, Json, one_of, print_json
from picogen_cli.reporter import make_reporter


def generate(
    weights_path: Annotated[
        Path, typer.Option(help="Run or checkpoint folder, NotaGen .pth or hf:OWNER/REPO/FILE.")
    ],
    backbone: Annotated[
        str | None, typer.Option(help="Checked against the checkpoint, which knows its own.")
    ] = None,
    num_samples: Annotated[int, typer.Option(min=1, help="How many pieces.")] = 5,
    max_length: Annotated[
        int | None,
        typer.Option(min=2, help="Most patches a piece, prompt included; left out, as trained."),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="0 keeps all characters.")] = 40,
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
    to: Annotated[
        str, typer.Option(help="Also write these, comma-separated: musicxml,svg,midi,png,wav.")
    ] = "",
    output_dir: Annotated[Path, typer.Option(help="Where the scores go.")] = Path("out"),
    batch_size: Annotated[int, typer.Option(min=1, help="Pieces written at once.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Piece k depends on (seed, k) alone.")] = 0,
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
    from picogen_core import BadInput
    from picogen_core.files import prepare_output_dir
    from picogen_core.generation.options import SamplingOptions

    from picogen_cli.converting import parse_targets

    targets = parse_targets(to) if to else ()
    prepare_output_dir(output_dir, force)
    from picogen_core.generation.run import GenerateRequest, write_scores

    sampling = SamplingOptions(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        order=one_of("--order", order, ("notagen", "temperature-first")),
    )
    request = GenerateRequest(
        weights_path=weights_path,
        backbone=backbone,
        prompt=prompt,
        count=num_samples,
        max_length=max_length,
        sampling=sampling,
        batch_size=batch_size,
        seed=seed,
        device=device or "auto",
        engine=one_of("--engine", engine, ("auto", "numba", "torch")),
        rollover=one_of("--rollover", rollover, ("auto", "always", "never")),
    )
    begun = time.monotonic()
    with make_reporter() as reporter:
        scores = write_scores(request, output_dir, reporter)
        written = [score for score in scores if score.abc]
        converted: dict[str, Any] = {}
        if targets and written:
            from picogen_cli.converting import convert_scores

            converted = convert_scores(written, targets, output_dir, reporter)
    failed = {score.name: score.reason for score in scores if not score.abc}
    if as_json:
        print_json(
            {
                "output_dir": output_dir,
                "seconds": time.monotonic() - begun,
                "written": [score.name for score in written],
                "incomplete": [score.name for score in written if not score.record["complete"]],
                "failed": failed,
                "converted": converted,
            }
        )
    else:
        for name, reason in failed.items():
            typer.echo(f"{name}: nothing could be made of it ({reason})", err=True)
        typer.echo(f"{len(written)} of {num_samples} pieces in {output_dir}.")
        for name, outcome in converted.items():
            if "error" in outcome:
                typer.echo(f"{name}: not converted ({outcome['error']})", err=True)
    if not written:
        raise BadInput("no piece could be written; the JSON files hold what the model said.")

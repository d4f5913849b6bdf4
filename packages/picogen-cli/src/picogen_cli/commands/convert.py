"""`picogen convert`: ABC and MusicXML files to scores, pictures and sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from picogen_cli.options import Force, Json, print_json
from picogen_cli.reporter import make_reporter

if TYPE_CHECKING:
    from picogen_core.progress import Reporter
    from picogen_core.score.helper import Converter

_ABC = ".abc"
_MUSICXML = (".musicxml", ".mxl", ".xml")


def convert(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE|DIR…", help="ABC, MusicXML, or folders of them.")
    ],
    output_dir: Annotated[Path, typer.Option(help="Where the files go.")],
    to: Annotated[
        str, typer.Option(help="Comma-separated: musicxml,svg,midi,png,wav.")
    ] = "musicxml,svg,midi",
    check: Annotated[
        bool, typer.Option("--check", help="Fail what is not valid MusicXML 4.0 with equal bars.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Repair ABC and write MusicXML, SVG (NAME.svg, NAME-2.svg, …), MIDI, PNG or WAV of each tune.

    What was repaired is told on stderr, file by file, and in --json.
    """
    from picogen_core.files import prepare_output_dir

    from picogen_cli.converting import parse_targets

    targets = parse_targets(to)
    scores = find_scores(paths)
    prepare_output_dir(output_dir, force)
    with make_reporter() as reporter:
        outcomes = _convert_all(scores, targets, output_dir, check, reporter)
        failed = [outcome for outcome in outcomes if "error" in outcome]
        for outcome in outcomes:
            if told := outcome.get("error") or _mended(outcome["repairs"]):
                reporter.message(f"{outcome['input']}: {told}")
    counts = {"converted": len(outcomes) - len(failed), "failed": len(failed)}
    if as_json:
        print_json({"output_dir": output_dir, **counts, "files": outcomes})
    else:
        typer.echo(f"{counts['converted']} of {len(outcomes)} converted, in {output_dir}.")
    if failed:
        raise typer.Exit(1)


def find_scores(paths: Sequence[Path]) -> dict[str, Path]:
    """The name of each output, relative to the output folder, and the file it is made of.

    In a folder a MusicXML file gives way to the ABC file beside it that has its name.

    Raises:
        BadInput: a path is missing or no score, a folder holds none, or two would share a name.
    """
    from picogen_core import BadInput

    scores: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix in (_ABC, *_MUSICXML))
            files.sort(key=lambda p: p.suffix != _ABC)
            named: dict[str, Path] = {}
            for file in files:
                named.setdefault(file.relative_to(path).with_suffix("").as_posix(), file)
            if not named:
                raise BadInput(f"{path} holds no .abc, .musicxml, .mxl or .xml file.")
        elif not path.is_file():
            raise BadInput(f"{path} does not exist.")
        elif path.suffix not in (_ABC, *_MUSICXML):
            raise BadInput(
                f"{path} is no score. Give .abc, .musicxml, .mxl or .xml files, or folders."
            )
        else:
            named = {path.stem: path}
        for name, file in named.items():
            other = scores.setdefault(name, file)
            if other != file:
                raise BadInput(f"{other} and {file} would both be written as {name}. Rename one.")
    return scores


def _mended(repairs: Sequence[dict[str, Any]]) -> str:
    """`mended: complete rests (5), balance slurs (1)`; "" for a text that needed nothing."""
    steps = [f"{step['name']} ({step['count']})" for step in repairs]
    return f"mended: {', '.join(steps)}" if steps else ""


def _convert_all(
    scores: dict[str, Path], targets: Sequence[str], folder: Path, check: bool, reporter: Reporter
) -> list[dict[str, Any]]:
    """For each tune its input and outputs, or the `error` that kept it from being converted."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    from picogen_core import PicogenError
    from picogen_core.score.helper import Converter

    workers = min(os.cpu_count() or 1, 4)
    outcomes: list[dict[str, Any]] = []
    tunes: list[tuple[str, Path, str]] = []
    for name, path in scores.items():
        try:
            tunes += [(name + end, path, text) for end, text in _read(path)]
        except PicogenError as error:
            outcomes.append({"input": str(path), "error": str(error)})
    reporter.start("Converting", float(len(tunes)), "pieces")
    with Converter(workers) as converter, ThreadPoolExecutor(workers) as pool:
        for outcome in pool.map(
            lambda tune: _convert_one(tune, targets, folder, check, converter), tunes
        ):
            outcomes.append(outcome)
            reporter.advance(len(outcomes))
    reporter.finish()
    return outcomes


def _read(path: Path) -> list[tuple[str, str]]:
    """(what is added to the name, text) of each tune: nothing for one, `_001` … for a book's."""
    import re

    from picogen_core import BadInput
    from picogen_core.score.convert import read_musicxml

    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"it cannot be read: {error.strerror}") from None
    if path.suffix != _ABC:
        return [("", read_musicxml(data).decode())]
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
    preamble, *books = re.split(r"^(?=X:)", text, flags=re.M)
    if len(books) < 2:
        return [("", text)]
    if "K:" in preamble:
        books.insert(0, preamble)
    return [(f"_{number:03d}", tune) for number, tune in enumerate(books, 1)]


def _convert_one(
    tune: tuple[str, Path, str],
    targets: Sequence[str],
    folder: Path,
    check: bool,
    converter: Converter,
) -> dict[str, Any]:
    from picogen_core import PicogenError
    from picogen_core.files import write_atomic
    from picogen_core.score.convert import Converted, convert_text, engraved
    from picogen_core.score.limits import ConversionError
    from picogen_core.score.validity import validity_faults

    name, path, text = tune
    try:
        if path.suffix == _ABC:
            done = convert_text(text, targets, converter, check)
        else:
            if check and (faults := validity_faults(text.encode())):
                raise ConversionError(faults[0])
            done = Converted(engraved(text.encode(), targets, converter))
        outputs = [folder / f"{name}{suffix}" for suffix in done.files]
        for output, data in zip(outputs, done.files.values(), strict=True):
            write_atomic(output, data)
    except PicogenError as error:
        return {"input": str(path), "name": name, "error": str(error)}
    return {
        "input": str(path),
        "name": name,
        "outputs": [str(output) for output in outputs],
        "repairs": [asdict(repair) for repair in done.repairs],
        "warnings": list(done.warnings),
    }

"""`picogen convert`: ABC and MusicXML files to scores, pictures and sound."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from picogen_core.score.formats import FORMATS, TARGETS

from picogen_cli.convert_shards import FOLDER, Order, ShardRecord, merged
from picogen_cli.options import Force, Json, Merge, ShardOf, parse_shard, print_json
from picogen_cli.reporter import make_reporter

if TYPE_CHECKING:
    from picogen_core.runtime.progress import Reporter
    from picogen_core.runtime.shards import Shard
    from picogen_core.score.helper import Converter


def convert(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|DIR…", help="ABC, MusicXML, **kern or MIDI, or folders of them."
        ),
    ],
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Where the files go.")],
    to: Annotated[
        str, typer.Option(help=f"Comma-separated: {','.join(TARGETS)}.")
    ] = "musicxml,svg,midi",
    check: Annotated[
        bool, typer.Option("--check", help="Fail what is not valid MusicXML 4.0 with equal bars.")
    ] = False,
    shard: ShardOf = None,
    merge: Merge = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write MusicXML, ABC, SVG (NAME.svg, NAME-2.svg, …), MIDI, PNG or WAV of each score.

    ABC is repaired first. Repairs, and bars whose notes differ, are logged per file on stderr and
    listed by --json.
    """
    from picogen_core.runtime.files import output_folder

    from picogen_cli.converting import parse_targets

    targets = parse_targets(to)
    part = parse_shard(shard, merge)
    scores = {} if merge else find_scores(paths)
    ours = (output_dir / FOLDER).is_dir() and bool(part or merge)
    with (
        output_folder(output_dir, force or ours, shared=part is not None),
        make_reporter() as reporter,
    ):
        folders = [path for path in paths if path.is_dir()]
        outcomes = (
            merged(output_dir)
            if merge
            else _convert_all(scores, folders, targets, output_dir, check, reporter, part)
        )
        failed = [outcome for outcome in outcomes if "error" in outcome]
        for outcome in outcomes:
            for remark in [outcome["error"]] if "error" in outcome else _remarks(outcome):
                reporter.message(f"{outcome['input']}: {remark}")
    counts = {"converted": len(outcomes) - len(failed), "failed": len(failed)}
    if as_json:
        print_json({"output_dir": output_dir, **counts, "files": outcomes})
    else:
        typer.echo(f"{counts['converted']} of {len(outcomes)} converted, in {output_dir}.")
    if failed:
        raise typer.Exit(1)


def find_scores(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the file of each output, by the output's name relative to the output folder.

    Of files in a folder that share a name only one counts: ABC before MusicXML before kern before
    MIDI.

    Raises:
        BadInput: a path is missing, a folder holds no score, or two would share a name.
    """
    from picogen_core import BadInput
    from picogen_core.score.file import files_below, is_score
    from picogen_core.score.formats import SUFFIXES

    scores: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            files = [p for p in files_below(path) if p.suffix.lower() in SUFFIXES]
            files.sort(key=lambda p: SUFFIXES.index(p.suffix.lower()))
            named: dict[str, Path] = {}
            for file in files:
                named.setdefault(file.relative_to(path).with_suffix("").as_posix(), file)
            if not named:
                raise BadInput(
                    f"{path} holds no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file."
                )
        elif not path.exists():
            raise BadInput(f"{path} does not exist.")
        elif path.suffix.lower() not in SUFFIXES and not is_score(path):
            raise BadInput(f"{path} is no score. Give {', '.join(SUFFIXES)} files, or folders.")
        else:
            named = {path.stem: path}
        for name, file in named.items():
            other = scores.setdefault(name, file)
            if other != file:
                raise BadInput(f"{other} and {file} would both be written as {name}. Rename one.")
    return scores


def _remarks(outcome: dict[str, Any]) -> list[str]:
    """Return the repairs, and the bars whose notes differ."""
    mended = _mended(outcome["repairs"])
    return [*([mended] if mended else []), *outcome["remarks"], *outcome["differences"]]


def _mended(repairs: Sequence[dict[str, Any]]) -> str:
    """Return `mended: complete rests (5), balance slurs (1)`; "" without repairs."""
    steps = [f"{step['name']} ({step['count']})" for step in repairs]
    return f"mended: {', '.join(steps)}" if steps else ""


def _convert_all(
    scores: dict[str, Path],
    folders: Sequence[Path],
    targets: Sequence[str],
    output_dir: Path,
    check: bool,
    reporter: Reporter,
    shard: Shard | None,
) -> list[dict[str, Any]]:
    """Return for each tune its input and outputs, or the `error` that prevented them."""
    from picogen_core.runtime.processes import thread_pool
    from picogen_core.score.helper import Converter

    workers = min(os.cpu_count() or 1, 4)
    tunes: list[_Tune] = []
    for number, (name, path) in enumerate(scores.items()):
        within = next((folder for folder in folders if path.is_relative_to(folder)), None)
        mine = shard is None or shard.holds(number)
        tunes += _read(name, path, within) if mine else _names(name, path, within)
    tunes = name_apart(tunes, paged=any(FORMATS[target].paged for target in targets))
    inputs = {Path(os.path.realpath(path)) for path in scores.values()}
    record = None if shard is None else ShardRecord(output_dir, shard)
    outcomes: dict[Order, dict[str, Any]] = {} if record is None else dict(record.done)
    todo = {(int(not tune.error), i): tune for i, tune in enumerate(tunes) if tune.mine}
    todo = {order: tune for order, tune in todo.items() if not _stands(outcomes.get(order), tune)}
    reporter.start("Converting", float(len(todo)), "pieces")
    with Converter(workers) as converter, thread_pool(workers, converter) as pool:
        converted = pool.map(
            lambda tune: _convert_one(tune, targets, output_dir, check, converter, inputs),
            todo.values(),
        )
        for done, (order, outcome) in enumerate(zip(todo, converted, strict=True), 1):
            outcomes[order] = outcome
            if record:
                record.add(order, outcome)
            reporter.advance(done)
    if record:
        record.finish()
    reporter.finish()
    return [outcome for _, outcome in sorted(outcomes.items())]


def _stands(outcome: dict[str, Any] | None, tune: _Tune) -> bool:
    """Return whether an earlier outcome of this shard is of this tune, and its files are there."""
    if outcome is None or outcome.get("name") != tune.name:
        return False
    return all(Path(output).is_file() for output in outcome.get("outputs", [""]))


class _Tune(NamedTuple):
    """One score of a file.

    name:  of its outputs.
    score: ABC, or MusicXML as bytes.
    exact: made from kern or MIDI, so it needs no repair.
    error: why it could not be read.
    mine:  in this shard; of the others only the names count.
    """

    name: str
    path: Path
    score: str | bytes = ""
    remarks: tuple[str, ...] = ()
    exact: bool = False
    error: str = ""
    mine: bool = True


def name_apart(tunes: Sequence[_Tune], paged: bool) -> list[_Tune]:
    """Return the tunes under unique names, also on file systems that ignore case.

    Where pages are drawn, `x-2` is the second page of `x`, so no other tune has that name.
    """
    wanted = Counter(tune.name.casefold() for tune in tunes)
    taken: set[str] = set()
    named = []
    for tune in tunes:
        page = re.fullmatch(r"(.+)-\d+", tune.name.casefold()) if paged else None
        free = tune.name.casefold() not in taken and not (page and page[1] in wanted)
        name, number = tune.name, 1
        while not free:
            number += 1
            name = f"{tune.name}~{number}"
            free = name.casefold() not in taken and name.casefold() not in wanted
        taken.add(name.casefold())
        if name != tune.name:
            remark = f"written as {name}: {tune.name} is the name of another score or of a page"
            tune = tune._replace(name=name, remarks=(*tune.remarks, remark))
        named.append(tune)
    return named


def _read(name: str, path: Path, within: Path | None) -> list[_Tune]:
    """Return the scores of a file; the tunes of a book are `NAME_001`, `NAME_002`, …"""
    from picogen_core.errors import reason
    from picogen_core.score.file import read_file, read_scores

    try:
        found = read_scores(read_file(path, within))
    except Exception as error:  # a faulty file costs itself alone
        return [_Tune(name, path, error=reason(error))]
    if len(found.scores) == 1:
        return [_Tune(name, path, found.scores[0], found.remarks, found.kind != "abc")]
    return [
        _Tune(f"{name}_{number:03d}", path, tune) for number, tune in enumerate(found.scores, 1)
    ]


def _names(name: str, path: Path, within: Path | None) -> list[_Tune]:
    """Return the names that `_read` gives, without reading scores of kern, MIDI and MusicXML."""
    from picogen_core.errors import reason
    from picogen_core.score.file import kind_of, read_file

    try:
        book = kind_of(read_file(path, within)) == "abc"
    except Exception as error:  # the file's own shard reports it
        return [_Tune(name, path, error=reason(error), mine=False)]
    tunes = _read(name, path, within) if book else [_Tune(name, path)]
    return [tune._replace(score="", mine=False) for tune in tunes]


def _convert_one(
    tune: _Tune,
    targets: Sequence[str],
    folder: Path,
    check: bool,
    converter: Converter,
    inputs: Set[Path],
) -> dict[str, Any]:
    from picogen_core import BadInput
    from picogen_core.errors import reason
    from picogen_core.runtime.files import write_atomic
    from picogen_core.score.convert import convert_musicxml, convert_text, read_musicxml
    from picogen_core.score.limits import ConversionError
    from picogen_core.score.validity import validity_faults

    if tune.error:
        return {"input": str(tune.path), "error": tune.error}
    try:
        if isinstance(tune.score, str):
            done = convert_text(tune.score, targets, converter, check, tune.exact)
        else:
            xml = read_musicxml(tune.score)
            if check and (faults := validity_faults(xml)):
                raise ConversionError(faults[0])
            done = convert_musicxml(xml, targets, converter)
        outputs = [folder / f"{tune.name}{suffix}" for suffix in done.files]
        for output, data in zip(outputs, done.files.values(), strict=True):
            if Path(os.path.realpath(output)) in inputs:
                raise BadInput(f"{output} would be written over itself. Choose another folder.")
            write_atomic(output, data)
    except Exception as error:  # a fault of a reader or converter costs this tune alone
        return {"input": str(tune.path), "name": tune.name, "error": reason(error)}
    return {
        "input": str(tune.path),
        "name": tune.name,
        "outputs": [str(output) for output in outputs],
        "repairs": [asdict(repair) for repair in done.repairs],
        "warnings": list(done.warnings),
        "remarks": list(tune.remarks),
        "differences": list(done.differences),
    }

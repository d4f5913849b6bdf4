"""The beginning of a piece: a prompt, a file with a prompt, or a score to continue."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from picogen_core.abc.patches import split_body
from picogen_core.data.piece import check_size, to_interleaved
from picogen_core.errors import BadInput, ConfigError, reason
from picogen_core.generation.request.prompt import TAGS_END, PlacedPrompt, count_bars, place_prompt
from picogen_core.runtime.reading import Refused, read_text
from picogen_core.score import file as score_file
from picogen_core.score.files.reader import FileReader
from picogen_core.score.formats import FORMATS, SUFFIXES

MAX_PROMPT = 1 << 20
_CREDITS = ("T:", "C:")


def read_prompt(path: Path) -> str:
    """Return the text of a prompt file. Raises `BadInput` if it cannot be read."""
    try:
        return read_text(path, MAX_PROMPT)
    except Refused as error:
        raise BadInput(f"{path}: {error.strerror}.") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not text in UTF-8. Save it as that.") from None


def read_opening(
    path: Path,
    keep: int | None,
    total: int | None,
    prompt: str = "",
    reader: FileReader | None = None,
) -> PlacedPrompt:
    """Return the first `keep` bars of a score, all if None, as the beginning of `total` bars.

    ABC is read here, other formats in a worker process under limits: in that of `reader`, if
    given. A `prompt` may bring titles and % tags. If the score's last bar is kept, its final
    barline becomes a plain one.

    Raises:
        BadInput: the score cannot be read.
        ConfigError: the score has fewer bars than `keep`, or `total` bars already.
    """
    try:
        abc, remarks = _read(path, reader)
        check_size(abc)
        made = to_interleaved(abc)
        text = made.text
    except Exception as error:  # a damaged score can make a reader raise anything
        raise BadInput(f"{path}: {reason(error).removeprefix(f'{path}: ')}") from None
    header, body = split_body(text)
    lines = body.splitlines(keepends=True)
    if keep is not None and keep > len(lines):
        raise ConfigError(f"--keep-bars {keep}: {path} has {len(lines)} bars.")
    kept = lines[:keep]
    if keep is None or keep == len(lines):
        kept[-1] = kept[-1].replace("|]", "|")
    given = place_prompt(prompt)
    if any(not line.startswith("%") or line[:2] == "%%" for line in given.text.splitlines()):
        raise ConfigError(
            "beside --continue a prompt may have X: T: C: lines and % tags; the rest comes from "
            "the score."
        )
    tags = given.text
    if tags and not tags.endswith(f"{TAGS_END}\n"):
        tags += f"{TAGS_END}\n"
    titles = given.titles or tuple(line for line in abc.splitlines() if line[:2] in _CREDITS)[:4]
    remarks += [f"notes differ in {difference}" for difference in made.left[:3]]
    lines_of_file = tuple(f"{path}: {remark}." for remark in remarks)
    return PlacedPrompt(titles, tags + header + count_bars(kept, total), lines_of_file)


def _read(path: Path, reader: FileReader | None) -> tuple[str, list[str]]:
    """Return the score as ABC, and remarks on its reading."""
    if not path.exists():
        raise BadInput("there is no such file.")
    data = score_file.read_file(path)
    kind, suffix = score_file.kind_of(data), path.suffix.lower()
    if kind is None and suffix not in SUFFIXES:
        raise BadInput(f"not a score; these are read: {', '.join(SUFFIXES)}.")
    if kind == "abc" or (kind is None and suffix in FORMATS["abc"].reads):
        tunes = score_file.read_scores(data).scores
        first = [f"it has {len(tunes)} tunes; the first is taken"] if len(tunes) > 1 else []
        return str(tunes[0]), first
    with nullcontext(reader) if reader else FileReader() as opened:
        read = opened.read(path)
    return read.abc, [*read.remarks]

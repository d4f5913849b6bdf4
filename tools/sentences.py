"""Measure the sentences of docs and docstrings: mean and longest per file, and the worst ten.

    python tools/sentences.py                                 # all files, no limits
    python tools/sentences.py --max-mean 19 --max-longest 40  # exit 1 if a page exceeds a limit
    python tools/sentences.py docs/plugins.md --json

Words are what spaces separate and letters or digits are in. In Markdown, code blocks, tables, HTML
comments, image texts and targets of links do not count; a `code span` is one word. List items,
headings and paragraphs end a sentence. In Python, docstrings count, without indented code and the
names of arguments. Limits hold for pages alone. Chinese pages are left out: they have no spaces.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "*.md",
    "docs/**/*.md",
    "packages/*/README.md",
    "packages/**/MODEL_CARD.md",
    "examples/*/*.md",
)
SOURCES = ("packages/*/src/**/*.py", "examples/*/src/**/*.py", "tools/*.py")
GENERATED = ("docs/eight-pieces.md",)
SHOWN = 10

_FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1 *$", re.M | re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\([^)]*\)")
_CODE = re.compile(r"`+[^`]+`+", re.S)
_ITEM = re.compile(r"^ *(?:[-*+]|\d+[.)]) +")
_SHORT = re.compile(r"\b(e\.g|i\.e|etc|vs|cf|No|Fig|al|St|Op|op|pp)\.", re.I)
_WORD = re.compile(r"\S*\w\S*")
_SECTION = re.compile(r"^ *(Args|Arguments|Raises|Returns|Yields|Attributes|Examples?):? *$")
_CODE_LINE = (">>>", "{", "#")
_TERM = re.compile(r"^ *[\w*, ]{1,30}: +(?=\S)")


@dataclass(frozen=True)
class Sentence:
    """Where it begins, and its text."""

    path: str
    line: int
    text: str

    @property
    def words(self) -> int:
        return len(_WORD.findall(self.text))


@dataclass(frozen=True)
class Figures:
    """A file's sentences in numbers."""

    path: str
    sentences: int
    mean: float
    longest: int


def markdown_sentences(path: str, text: str) -> list[Sentence]:
    """Return the sentences of a page."""
    for pattern in (_FENCE, _COMMENT, _IMAGE):
        text = pattern.sub(lambda match: "\n" * match.group().count("\n"), text)
    text = _LINK.sub(r"\1", text)
    text = _CODE.sub(lambda match: "code" + "\n" * match.group().count("\n"), text)
    return list(_sentences(path, _paragraphs(text.splitlines(), 1)))


def docstring_sentences(path: str, text: str) -> list[Sentence]:
    """Return the sentences of a module's docstrings."""
    found: list[Sentence] = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        docstring = ast.get_docstring(node)
        if docstring:
            lines = [_TERM.sub("", line) for line in _prose(docstring)]
            prose = _CODE.sub("code", "\n".join(lines))
            found += _sentences(path, _paragraphs(prose.splitlines(), node.body[0].lineno))
    return found


def _prose(docstring: str) -> Iterator[str]:
    """Lines of a docstring; those of code and headings of sections are empty."""
    in_section = False
    for line in docstring.splitlines():
        if _SECTION.match(line):
            in_section = True
            yield ""
        elif line.lstrip().startswith(_CODE_LINE) or (line.startswith("    ") and not in_section):
            yield ""
        else:
            in_section = in_section and (not line or line.startswith(" "))
            yield line


def _paragraphs(lines: list[str], first: int) -> Iterator[tuple[int, str]]:
    """Paragraphs, list items and headings, each with its line."""
    start, parts = first, list[str]()
    for number, line in enumerate(lines, first):
        heading = line.startswith("#")
        table = line.lstrip().startswith("|") or set(line.strip()) in ({"-"}, {"="})
        item = _ITEM.match(line)
        if (not line.strip() or heading or table or item) and parts:
            yield start, " ".join(parts)
            parts = []
        if heading or table or not line.strip():
            continue
        if not parts:
            start = number
        parts.append(_ITEM.sub("", line).strip() if item else line.strip().lstrip(">").strip())
    if parts:
        yield start, " ".join(parts)


def _sentences(path: str, paragraphs: Iterator[tuple[int, str]]) -> Iterator[Sentence]:
    for line, text in paragraphs:
        text = _SHORT.sub(lambda match: match.group()[:-1], text)
        for part in re.split(r"(?<=[.!?])[\"')\]*_]*\s+", text):
            if _WORD.search(part):
                yield Sentence(path, line, part.strip())


def figures(sentences: list[Sentence]) -> Figures:
    """Return count, mean and longest of one file's sentences."""
    words = [sentence.words for sentence in sentences]
    return Figures(sentences[0].path, len(words), sum(words) / len(words), max(words))


def files(patterns: tuple[str, ...]) -> Iterator[Path]:
    """The files of the repository that fit, without Chinese and generated ones."""
    for pattern in patterns:
        for file in sorted(ROOT.glob(pattern)):
            name = file.relative_to(ROOT).as_posix()
            if not name.endswith(".zh.md") and name not in GENERATED and "/templates/" not in name:
                yield file


def measure(file: Path) -> list[Sentence]:
    """Return the sentences of a page or of a Python file."""
    name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else str(file)
    text = file.read_text(encoding="utf-8")
    return (docstring_sentences if file.suffix == ".py" else markdown_sentences)(name, text)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; 1 if a page exceeds a limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="Left out: docs and docstrings.")
    parser.add_argument("--max-mean", type=float, help="Most words per sentence of a page.")
    parser.add_argument("--max-longest", type=int, help="Most words of a sentence of a page.")
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    given = parser.parse_args(arguments)
    chosen = [file.resolve() for file in given.files] or [*files(PAGES), *files(SOURCES)]
    measured = [found for found in map(measure, chosen) if found]
    pages = [found for found in measured if not found[0].path.endswith(".py")]
    code = [sentence for found in measured for sentence in found if sentence.path.endswith(".py")]
    table = [figures(found) for found in pages]
    worst = sorted((s for found in measured for s in found), key=lambda s: -s.words)[:SHOWN]
    faults = [
        f"{page.path}: {page.mean:.1f} words per sentence; at most {given.max_mean:g}"
        for page in table
        if given.max_mean is not None and page.mean > given.max_mean
    ]
    faults += [
        f"{s.path}:{s.line}: {s.words} words; at most {given.max_longest}: {s.text[:80]}…"
        for found in pages
        for s in found
        if given.max_longest is not None and s.words > given.max_longest
    ]
    if given.json:
        data = {"pages": [vars(page) for page in table], "faults": faults}
        data["docstrings"] = vars(figures(code)) | {"path": "docstrings"} if code else None
        data["worst"] = [{**vars(s), "words": s.words} for s in worst]
        print(json.dumps(data, indent=1))
    else:
        _show(table, code, worst)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _show(table: list[Figures], code: list[Sentence], worst: list[Sentence]) -> None:
    for page in [*table, *([figures(code)] if code else [])]:
        name = "docstrings" if page.path.endswith(".py") else page.path
        print(f"{page.mean:5.1f} mean {page.longest:4} longest {page.sentences:5}  {name}")
    print(f"\nThe {len(worst)} longest:")
    for sentence in worst:
        print(f"{sentence.words:4}  {sentence.path}:{sentence.line}  {sentence.text[:100]}")


if __name__ == "__main__":
    sys.exit(main())

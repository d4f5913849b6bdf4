"""Every page can be reached from the README, sentences are short, and the site knows all pages."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
sys.path.insert(0, str(ROOT / "tools"))

import sentences  # noqa: E402
import site_hooks  # noqa: E402


def linked(page: str) -> set[str]:
    targets = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text())
    return {target for target in targets if target.endswith(".md")}


@pytest.mark.parametrize("page", DOCS)
def test_every_page_is_one_step_from_the_readme(page):
    assert page in linked("README.md")


@pytest.mark.parametrize("page", [page for page in DOCS if page != "docs/plugins.md"])
def test_every_page_is_one_step_from_the_chinese_readme(page):
    assert page in linked("README.zh.md")


def test_the_navigation_has_every_page():
    nav = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    named = set(re.findall(r"([\w./-]+\.md)$", nav, re.M))
    assert named == {page.removeprefix("docs/") for page in DOCS} | set(site_hooks.PAGES.values())


def test_links_are_rewritten_for_the_site():
    text = "[a](docs/training.md#x) [`b`](examples/picogen-gru) [c](https://c.org) [d](#d)\n"
    text += (
        "![e](docs/eight-pieces/1.svg) [f](CONTRIBUTING.md)\n```md\n[g](docs/training.md)\n```\n"
    )
    assert site_hooks.rewrite(text, "index.md") == (
        "[a](training.md#x) `b` [c](https://c.org) [d](#d)\n"
        "![e](eight-pieces/1.svg) [f](contributing.md)\n```md\n[g](docs/training.md)\n```\n"
    )
    card = "../packages/picogen-backbones/src/picogen_backbones/weights/tunes/MODEL_CARD.md"
    assert (
        site_hooks.rewrite(f"[card](../{card})", "studies/heads.md") == "[card](../cards/tunes.md)"
    )


def words(text: str) -> list[int]:
    return [sentence.words for sentence in sentences.markdown_sentences("page.md", text)]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("# A heading of words\n\nOne two three. Four\nfive!\n", [3, 2]),
        ("- one two;\n  three\n- four\n\n1. five six\n", [3, 1, 2]),
        ("| a | b |\n|---|---|\n| one two | three |\n", []),
        ("A `picogen eval out --json` is [one link](https://x.org/a_b) here.\n", [6]),
        ("![a picture](x.svg)\n<!-- not this\nnor this -->\nBut this, e.g. here, in 3.5 s.\n", [7]),
        ("Before.\n\n```sh\npicogen eval. out. here.\n```\n\nAfter it.\n", [1, 2]),
    ],
)
def test_words_of_sentences(text, counts):
    assert words(text) == counts


def test_docstrings_are_measured_without_code():
    source = (
        '"""One two three.\n\n    code(a. b. c)\n\nFour five.\n"""\n\n'
        'def f(x):\n    """Six.\n\n    Raises:\n        ValueError: seven eight.\n    """\n'
    )
    found = sentences.docstring_sentences("a.py", source)
    assert [(sentence.line, sentence.words) for sentence in found] == [
        (1, 3), (5, 2), (9, 1), (12, 2),
    ]  # fmt: skip


def test_the_pages_keep_their_limits_and_a_long_sentence_does_not(tmp_path, capsys):
    assert sentences.main(["--max-mean", "19", "--max-longest", "40", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {page["path"] for page in shown["pages"]} >= {"README.md", "docs/plugins.md"}
    assert shown["faults"] == [] and len(shown["worst"]) == 10
    page = tmp_path / "long.md"
    page.write_text("word " * 41 + ".\n")
    assert sentences.main([str(page), "--max-mean", "19", "--max-longest", "40"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{page}: 41.0 words per sentence; at most 19"
    assert said[1].startswith(f"{page}:1: 41 words; at most 40: word word")

"""`picogen eval --report`: the page, the command on it, and what it says of sizes and faults."""

import shlex
from pathlib import Path

import pytest
from lxml import html
from picogen_cli.main import main


def picogen(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five tunes, of which one has voices of different lengths, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "my scores"
    folder.mkdir()
    for i in range(4):
        bars = [f"GABc {'defg'[i]}cBA", "GBdg fdcA", f"B{'cdef'[i]}gB cAFD", "G2B2 d2g2"] * 3
        (folder / f"{i}.abc").write_text(f"X:1\nM:4/4\nL:1/8\nK:G\n{'|'.join(bars)}|]\n")
    wrong = "X:1\nL:1/4\nM:4/4\nV:1\nV:2\nK:C\n[V:1]CDEF|[V:2]C4|\n[V:1]GABc|[V:2]C3|\n"
    (folder / "wrong.abc").write_text(wrong)
    (folder / "junk.abc").write_text("nothing")
    return folder


def test_the_page_is_made_again_by_its_command(
    scores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--metric", "powerlaw", "--metric", "validity", "--report", "out/r.html"]
    assert picogen("eval", scores.name, *given, "--report-pieces", "1") == 0
    page = Path("out/r.html").read_bytes()
    assert f"out/r.html: 4 pieces, {len(page) / 1e6:.2f} MB." in capsys.readouterr().err
    tree = html.document_fromstring(page.decode())
    groups = [group.text for group in tree.find_class("group")]
    assert groups == ["best", "median", "worst", "failed"]
    reasons = [reason.text_content() for reason in tree.find_class("reason")]
    assert any("voices differ in bars 2" in reason for reason in reasons)
    facts = [fact.text_content() for fact in tree.xpath("//dl/div")]
    assert "validity bars in meter12 of 12" in facts
    assert "junk.abc: no ABC" in tree.text_content()
    command = shlex.split(tree.xpath("//header/pre")[0].text_content())
    assert command[:3] == ["picogen", "eval", "my scores"]
    Path("out/r.html").unlink()
    assert picogen(*command[1:]) == 0
    assert Path("out/r.html").read_bytes() == page


def test_what_cannot_be_a_page(scores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert picogen("eval", scores, "--metric", "powerlaw", "--report", scores) == 2
    assert "is a folder. Name a file" in capsys.readouterr().err
    assert (
        picogen("eval", scores, "--metric", "powerlaw", "--report", "r", "--report-size", "0") == 2
    )
    assert "--report-size" in capsys.readouterr().err

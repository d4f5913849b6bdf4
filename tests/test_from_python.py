"""docs/from-python.md: its snippets run in their order, with a small budget."""

import json
import random
import re
from pathlib import Path

import pytest

PAGE, CHINESE = (
    (Path(__file__).parent.parent / "docs" / name).read_text()
    for name in ("from-python.md", "from-python.zh.md")
)
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
SMALLER = [("music21:airds", "music"), ("max_steps=300", "max_steps=2"), ("bars=8", "bars=2"),
           ("num_samples=20", "num_samples=2")]  # fmt: skip


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with twelve tunes in `music`, where the snippets run."""
    draw = random.Random(0)
    (tmp_path / "music").mkdir()
    for i in range(12):
        bars = ("".join(draw.choices("CDEFGABc", k=4)) for _ in range(8))
        tune = f"X:{i}\nM:4/4\nL:1/4\nK:C\n{'|'.join(bars)}|]\n"
        (tmp_path / f"music/{i}.abc").write_text(tune)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_snippets_run_in_their_order(notebook: Path, capsys: pytest.CaptureFixture[str]):
    assert len(SNIPPETS) == 8
    names: dict[str, object] = {}
    said = []
    for number, snippet in enumerate(SNIPPETS):
        for full, small in SMALLER:
            snippet = snippet.replace(full, small)
        exec(compile(snippet, f"docs/from-python.md:{number}", "exec"), names)
        said.append(capsys.readouterr().out)
    prepared, mine, alone, distilled, piece, written, scored, fault = said
    assert prepared.startswith("12 {") and mine == "21\n"
    assert alone.startswith("checkpoints/alone ") and "unit='bit/character'" in distilled
    losses = json.loads((notebook / "checkpoints/distilled/manifest.json").read_text())
    assert set(losses["components"]["losses"]) == {"logit-kd", "hidden-mse", "physics"}
    assert "M:6/8\n" in piece and len(list((notebook / "out").glob("*.json"))) == 2
    assert re.match(r"0001 .*\n(.*\n)*0002 ", written)
    assert re.search(r"^validity meter_agreement [\d.]+ % ", scored, re.M)
    assert fault.startswith("checkpoints/no-such-run") and len(fault.splitlines()) == 1


def test_both_languages_show_the_same():
    assert re.findall(r"```python\n(.*?)```", CHINESE, re.S) == SNIPPETS


def test_all_names_come_from_picogen_core():
    imports = re.findall(r"^(?:from|import) (\S+)", "".join(SNIPPETS), re.M)
    assert set(imports) == {"pathlib", "picogen_core"}


def test_every_exported_name_is_there():
    import picogen_core

    for name in picogen_core.__all__:
        assert getattr(picogen_core, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        picogen_core.no_such_name  # noqa: B018

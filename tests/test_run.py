"""`python3 run.py page` is an export that picogen knows."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from picogen_cli.main import main

RUN = Path(__file__).parent.parent / "run.py"


def test_page_writes_the_page_of_the_shipped_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("run_py", RUN)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    started: list[list[str]] = []

    def start(command: list[str], **_: Any) -> SimpleNamespace:
        started.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(module, "set_up", lambda tests: None)
    monkeypatch.setattr(module, "subprocess", SimpleNamespace(run=start))
    monkeypatch.setattr(sys, "argv", ["run.py", "page"])
    assert module.main() == 0
    (command,) = started
    assert command[1:3] == ["-m", "picogen_cli"]
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # a second call replaces the page
        with pytest.raises(SystemExit) as end:
            main(command[3:])
        assert not end.value.code
    page = tmp_path / "page" / "index.html"
    assert 1_000_000 < page.stat().st_size <= 4_000_000
    assert str(Path("page") / "index.html") in capsys.readouterr().out

"""What people see of long work."""

import io

import pytest
from picogen_cli import reporter
from picogen_cli.reporter import PlainReporter, TerminalReporter, make_reporter


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reporter, "time", clock)
    return clock


def test_plain_lines_every_ten_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with make_reporter() as plain:
        assert isinstance(plain, PlainReporter)  # stderr is captured, no terminal
        plain.start("Training x", 1.0, "run")
        plain.advance(0.0)
        for second in range(1, 26):
            clock.now = 100.0 + second
            plain.advance(second / 100, {"bits/char": f"{second}", "chars/s": "9"})
        plain.finish()
    assert capsys.readouterr().err.splitlines() == [
        "Training x …",
        "Training x: 11 %, ETA 1:29 bits/char 11  chars/s 9",
        "Training x: 22 %, ETA 1:18 bits/char 22  chars/s 9",
        "Training x: done in 0:25 bits/char 25  chars/s 9",
    ]


def test_the_eta_of_a_run_that_goes_on(clock: Clock, capsys: pytest.CaptureFixture[str]):
    plain = PlainReporter()
    plain.start("Training x", 1.0, "run")
    plain.advance(0.8)
    clock.now += 20
    plain.advance(0.9)
    assert capsys.readouterr().err.splitlines()[1] == "Training x: 90 %, ETA 0:20"


def test_a_terminal_shows_bar_eta_and_every_figure(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    figures = dict.fromkeys(("bits/char", "logit-kd", "hidden-mse", "physics"), "1.234")
    with make_reporter() as live:
        assert isinstance(live, TerminalReporter)
        live.start("Distilling rwkv_distill_v1", 1.0, "run")
        live.advance(0.5)
        live.advance(0.6, figures | {"chars/s": "12,345", "held-out bits/char": "1.2"})
    shown = screen.getvalue()
    for text in ("Distilling rwkv_distill_v1", " 60%", "ETA", *figures, "chars/s", "held-out"):
        assert text in shown, text

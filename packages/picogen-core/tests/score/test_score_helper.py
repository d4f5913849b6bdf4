"""The worker process: limits, crashes, timeouts, and what it may not do."""

import faulthandler
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from picogen_core.errors import PassingFault
from picogen_core.runtime import sandbox
from picogen_core.runtime.sandbox import WorkerLimits, in_fork
from picogen_core.score import helper as helper_module
from picogen_core.score import worker
from picogen_core.score.helper import Converter, Helper
from picogen_core.score.limits import ConversionError, limits_for, safe_abc

TUNE = "X:1\nL:1/8\nM:4/4\nK:C\nCDEF GABc|c8|]\n"
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class Bent:
    """`Libraries` with a conversion of the test's own."""

    def __init__(self, run):
        self._run = run

    def run(self, op, text):
        faulthandler.disable()  # pytest's, which would report a crash that is meant
        return self._run(text)


def test_a_killed_worker_is_replaced():
    with Converter() as converter:
        first = converter.to_musicxml(TUNE)
        helper = converter._all[0]
        dead = helper.pid
        os.kill(dead, signal.SIGKILL)
        assert converter.to_musicxml(TUNE) == first
        assert helper.pid != dead


def test_a_worker_killed_midway_is_replaced(monkeypatch):
    """The worker is killed while it waits for work that never comes; the request is sent again."""
    helper = Helper()
    exchange = Helper._exchange
    killed = []

    def killing(self, request, seconds):
        if not killed and self.pid:
            timer = threading.Timer(0.05, os.kill, (self.pid, signal.SIGKILL))
            os.kill(self.pid, signal.SIGSTOP)
            timer.start()
            killed.append(self.pid)
        return exchange(self, request, seconds)

    monkeypatch.setattr(Helper, "_exchange", killing)
    try:
        first = helper.convert("musicxml", TUNE)
        assert helper.convert("musicxml", TUNE) == first
        assert helper.pid not in killed and len(killed) == 1
    finally:
        helper.close()


def test_a_worker_that_hangs_is_ended(monkeypatch):
    helper = Helper()
    try:
        helper.convert("musicxml", TUNE)
        monkeypatch.setattr(
            helper_module, "limits_for", lambda op, size: WorkerLimits(1, 0.1, 1 << 30)
        )
        monkeypatch.setattr(sandbox, "START_SECONDS", 0.1)
        os.kill(helper.pid, signal.SIGSTOP)
        with pytest.raises(PassingFault, match="stood still"):
            helper.convert("musicxml", TUNE)
        assert helper.pid is None
    finally:
        helper.close()


def test_closing_ends_the_processes():
    converter = Converter()
    converter.to_musicxml(TUNE)
    process = converter._all[0]._process
    converter.close()
    assert process.poll() is not None


def test_threads_get_each_their_own_answer():
    tunes = [TUNE.replace("c8", f"c{n} z{8 - n}") for n in range(1, 8)]
    with Converter(workers=2) as converter, ThreadPoolExecutor(4) as pool:
        together = list(pool.map(converter.to_musicxml, tunes))
        alone = [converter.to_musicxml(tune) for tune in tunes]
    assert together == alone
    assert len(set(together)) == len(tunes)


def test_warnings_are_handed_on():
    with Converter() as converter:
        assert converter.request("musicxml", TUNE).warnings == ()
        odd = converter.request("musicxml", TUNE.replace("c8", "!nonesuch!c8"))
    assert odd.warnings == ("unhandled note decorations: ['nonesuch']",)


def test_a_text_that_does_not_parse_gives_a_reason():
    with Converter() as converter, pytest.raises(ConversionError, match="abc2xml: ") as failed:
        converter.to_musicxml("X:1\n%%score (\nK:C\nC|\n")
    assert "\n" not in str(failed.value)


@needs_fork
@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (lambda text: os.kill(os.getpid(), signal.SIGSEGV), r"crashed \(SIGSEGV\)"),
        (lambda text: os.abort(), r"crashed \(SIGABRT\)"),
        (lambda text: os.kill(os.getpid(), signal.SIGXCPU), "10 s of CPU time"),
        (lambda text: os._exit(3), "ended without an answer"),
        (lambda text: bytearray(3 << 30), "more memory"),
        (lambda text: (lambda f: f(f))(lambda f: f(f)), "nested too deep"),
    ],
    ids=["segfault", "abort", "cpu", "exit", "memory", "recursion"],
)
def test_what_a_fork_does_stays_in_it(run, reason):
    limits = limits_for("musicxml", len(TUNE))
    if reason != "more memory":  # this process holds what other tests have loaded
        limits = replace(limits, memory_bytes=1 << 40)
    reply = in_fork(lambda: worker.convert(Bent(run), "musicxml", TUNE), limits)
    assert re.search(reason, reply["error"])


@needs_fork
def test_a_fork_that_takes_too_long_is_ended():
    reply = in_fork(lambda: time.sleep(60), WorkerLimits(10, 0.2, 1 << 30))
    assert reply["error"].startswith("it stood still for 0.2 s") and reply["passing"] is True


def _work_without_an_answer(seconds: float) -> dict[str, list[str]]:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return {"ok": ["done"]}


@needs_fork
def test_a_fork_that_works_goes_on_however_long_it_takes():
    """The guard looks at CPU time: three times as long as it may stand still."""
    if sandbox.cpu_ticks(os.getpid()) is None:
        pytest.skip("this system does not report the CPU time of a process")
    assert in_fork(lambda: _work_without_an_answer(1.5), WorkerLimits(30, 0.5, 1 << 40)) == {
        "ok": ["done"]
    }


def test_what_prints_on_stdout_does_not_reach_the_answers():
    code = (
        "from picogen_core.runtime.sandbox import serve\n"
        "def noisy(request):\n"
        "    print('noise')\n"
        "    return {'ok': request['text']}\n"
        "serve(noisy)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=b'{"text": "hi"}\n',
        capture_output=True,
        check=True,
    )
    assert done.stdout == b'{"ok": "hi"}\n'


def test_lines_that_open_files_are_taken_out():
    text = safe_abc("X:1\n%%abc-include a\n  I:abc-include b\n%%score 1\nK:C\nC[I:abc-include c]D|")
    assert text == "X:1\n%%score 1\nK:C\nCD|\n"


@pytest.mark.parametrize(
    ("abc", "reason"),
    [
        ("K:C\n" + "C" * 9000, "a line has 9,000 characters"),
        ("K:C\n" * 100_000, "the text has 400,000 characters"),
        ("K:C\nX65|", "over 64 bars"),
        ("K:C\nZ  999|", "over 64 bars"),
    ],
)
def test_texts_over_the_limits(abc, reason):
    with pytest.raises(ConversionError, match=reason):
        safe_abc(abc)


def test_the_worker_goes_when_its_parent_does():
    code = (
        "from picogen_core.score.helper import Helper; h = Helper();"
        f"h.convert('musicxml', {TUNE!r}); print(h.pid, flush=True); import os; os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if _is_zombie(pid):
            return
        threading.Event().wait(0.05)
    pytest.fail("the worker outlived its parent")


def _is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True

"""Work that takes too much CPU time ends; other work is not touched."""

import signal
import threading
import time

import pytest
from picogen_core.runtime import cpu_limit
from picogen_core.runtime.cpu_limit import TooLong


def burn(seconds: float) -> int:
    count, end = 0, time.process_time() + seconds
    while time.process_time() < end:
        count += 1
    return count


def test_work_ends_when_its_time_is_up() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    told = r"needs more than 0\.05 s of CPU time"
    with pytest.raises(TooLong, match=told), cpu_limit.cpu_limit(0.05):
        burn(60)
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0
    with cpu_limit.cpu_limit(60):
        assert burn(0.01) > 0


def test_work_that_swallows_the_exception_meets_the_next_one(monkeypatch) -> None:
    monkeypatch.setattr(cpu_limit, "_AGAIN", 0.05)
    with pytest.raises(TooLong), cpu_limit.cpu_limit(0.05):
        try:
            burn(60)
        except Exception:
            burn(60)


def test_sleep_is_no_cpu_time_and_a_thread_has_no_limit() -> None:
    done: list[int] = []

    def work() -> None:
        with cpu_limit.cpu_limit(0.02):
            done.append(burn(0.1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done[0] > 0
    with cpu_limit.cpu_limit(0.05):
        time.sleep(0.2)

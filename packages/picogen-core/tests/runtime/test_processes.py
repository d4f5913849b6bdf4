import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from picogen_core.runtime.processes import process_pool

POOL = """
import os, sys, time
from picogen_core.runtime.processes import process_pool

if __name__ == "__main__":
    with process_pool(2) as pool:
        print(*[pool.submit(os.getpid).result() for _ in range(8)], flush=True)
        pool.submit(time.sleep, 600).result()
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for_end(pids: set[int]) -> set[int]:
    """Those that are still there after ten seconds."""
    for _ in range(100):
        pids = {pid for pid in pids if is_alive(pid)}
        if not pids:
            break
        time.sleep(0.1)
    return pids


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(POOL)
    parent = subprocess.Popen([sys.executable, tmp_path / "pool.py"], stdout=subprocess.PIPE)
    assert parent.stdout
    workers = set(map(int, parent.stdout.readline().split()))
    assert workers and all(map(is_alive, workers))
    parent.kill()
    parent.wait()
    assert wait_for_end(workers) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_are_ended_at_once_where_the_block_raises() -> None:
    begun = time.monotonic()
    pids: set[int] = set()
    with pytest.raises(KeyboardInterrupt), process_pool(2) as pool:
        pids = {pool.submit(os.getpid).result() for _ in range(8)}
        pool.submit(time.sleep, 250)
        raise KeyboardInterrupt
    assert pids and wait_for_end(pids) == set()
    assert time.monotonic() - begun < 200  # it has not waited for the sleep


def test_workers_leave_ctrl_c_to_their_parent() -> None:
    with process_pool(1) as pool:
        pid = pool.submit(os.getpid).result()
        os.kill(pid, signal.SIGINT)
        assert pool.submit(os.getpid).result() == pid

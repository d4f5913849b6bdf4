"""Worker processes that end with this process, however it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

from picogen_core.runtime.closing import Closing

POLL_SECONDS = 0.5


@contextmanager
def thread_pool(count: int, workers: Closing) -> Iterator[ThreadPoolExecutor]:
    """Context with threads that wait for `workers`.

    After an exception in the block, the workers are closed and no further task starts.
    """
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        workers.close()
        raise
    finally:
        pool.shutdown(wait=True)


@contextmanager
def process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Context with a pool of new processes, which share no thread and no lock with this one.

    After an exception in the block they are ended at once. If this process is killed, they end.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    )
    try:
        yield pool
    except BaseException:
        for process in set(active_children()) - others:
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int) -> None:
    """Ignore Ctrl-C, which reaches every process of a terminal; the parent ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)


def end_with(parent: int, last: Callable[[], None] = lambda: None) -> None:
    """Watch the parent from a thread; once it is gone, call `last` and end this process."""

    def watch() -> None:
        while os.getppid() == parent:  # an orphan gets another parent
            time.sleep(POLL_SECONDS)
        last()
        os._exit(1)

    if os.name != "nt":  # there getppid() does not change
        threading.Thread(target=watch, daemon=True).start()

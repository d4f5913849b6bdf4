"""Scores measured in this process or in others, a few at a time and in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import TypeVar

from picogen_core.runtime.processes import process_pool
from picogen_core.score.reading import ScoreText

MANY = 64
"""Fewest scores for which processes are started, which takes a second."""
_CHUNK = 16
_BUDGET = 800_000_000
"""Bytes of memory that the scores may need together that are measured at once."""

Plans = TypeVar("Plans")
Found = TypeVar("Found")
Task = tuple[ScoreText, Plans]
Measure = Callable[[list[Task[Plans]]], list[Found]]
"""Measures some scores, in a process of its own or in this one."""


def measured(
    tasks: Iterable[Task[Plans]],
    measure: Measure[Plans, Found],
    died: Callable[[Plans], Found],
    jobs: int,
) -> Iterator[Found]:
    """Yield what `measure` returns of each task, in order.

    A process that dies costs only its score, of which `died` returns the outcome.
    """
    tasks = iter(tasks)
    first = list(islice(tasks, MANY))
    chunks = _chunks(chain(first, tasks))
    if jobs < 2 or len(first) < MANY:
        for chunk in chunks:
            yield from measure(chunk)
        return
    yield from _in_processes(chunks, measure, died, jobs)


def _chunks(tasks: Iterable[Task[Plans]]) -> Iterator[list[Task[Plans]]]:
    """Yield some small scores together, and large ones alone."""
    chunk: list[Task[Plans]] = []
    size = 0
    for task in tasks:
        chunk.append(task)
        size += weight(task[0])
        if len(chunk) == _CHUNK or size > _BUDGET // 8:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def weight(score: ScoreText) -> int:
    """Return about how much memory a score needs while it is measured, in bytes."""
    if isinstance(score.data, str):
        return 1000 * len(score.data)
    packed = score.data[:2] == b"PK"
    return min(_BUDGET, len(score.data) * (600 if packed else 30))


def _in_processes(
    chunks: Iterator[list[Task[Plans]]],
    measure: Measure[Plans, Found],
    died: Callable[[Plans], Found],
    jobs: int,
) -> Iterator[Found]:
    ahead: deque[list[Task[Plans]]] = deque()  # what was taken and is not done
    coming = next(chunks, None)
    while coming is not None or ahead:
        with process_pool(jobs) as pool:
            futures: deque[Future[list[Found]]] = deque()
            try:
                futures.extend(pool.submit(measure, chunk) for chunk in ahead)
                while coming is not None or ahead:
                    while coming is not None and _has_room(ahead, coming, jobs):
                        ahead.append(coming)
                        coming = next(chunks, None)
                        futures.append(pool.submit(measure, ahead[-1]))
                    found = futures[0].result()
                    ahead.popleft()
                    futures.popleft()
                    yield from found
            except BrokenProcessPool:
                pass
        if ahead:  # the pool broke: in turn, each by itself
            for task in ahead.popleft():
                yield _alone(task, measure, died)


def _has_room(ahead: Iterable[list[Task[Plans]]], coming: list[Task[Plans]], jobs: int) -> bool:
    """Return whether one more chunk may be measured beside those that are not done."""
    taken = [max(weight(score) for score, _ in chunk) for chunk in ahead]
    if not taken:
        return True
    needed = max(weight(score) for score, _ in coming)
    return len(taken) < 2 * jobs and sum(taken) + needed <= _BUDGET


def _alone(
    task: Task[Plans], measure: Measure[Plans, Found], died: Callable[[Plans], Found]
) -> Found:
    with process_pool(1) as pool:
        try:
            return pool.submit(measure, [task]).result()[0]
        except BrokenProcessPool:
            return died(task[1])

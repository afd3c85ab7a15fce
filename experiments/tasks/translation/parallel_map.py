"""A function over a long stream, in order, on all cores."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import chain, islice
from typing import TypeVar

from experiments.processes import process_pool

A = TypeVar("A")
B = TypeVar("B")

CHUNK = 5_000
"""Items that one process takes at a time; a stream no longer than that stays in this process."""


def map_chunks(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """``map`` with a pool of processes; reads ahead a few chunks and no more.

    ``function`` must be picklable.
    """
    stream = iter(items)
    first = list(islice(stream, CHUNK))
    processes = len(os.sched_getaffinity(0))
    if len(first) < CHUNK or processes == 1:
        yield from map(function, chain(first, stream))
        return
    under_way: deque[Future[list[B]]] = deque()
    with process_pool(processes) as pool:
        chunk = first
        while chunk:
            under_way.append(pool.submit(partial(_all, function), chunk))
            if len(under_way) > 2 * processes:
                yield from under_way.popleft().result()
            chunk = list(islice(stream, CHUNK))
        while under_way:
            yield from under_way.popleft().result()


def _all(function: Callable[[A], B], items: list[A]) -> list[B]:
    return [function(item) for item in items]

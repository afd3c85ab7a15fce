"""Processes that end with the one that started them, however that ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from experiments.errors import UserError

context = multiprocessing.get_context("forkserver")
"""Forked from a server without threads, and so in milliseconds. The server ends with the last of
them."""


def end_with_starter(number: int) -> None:
    """Send this process a signal as soon as the one that started it has ended.

    That cannot be left to the starter: it may be killed. Its pipe to this process ends with it.
    """
    threading.Thread(target=_watch, args=(number,), daemon=True).start()


def _watch(number: int) -> None:
    starter = multiprocessing.parent_process()
    assert starter is not None, "this is no process of ours"
    starter.join()
    os.kill(os.getpid(), number)


@contextmanager
def process_pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that a signal to this process ends with it, and Ctrl-C through this process alone.

    Raises :class:`UserError` if one of its processes is killed.
    """
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)
    try:
        yield pool
    except BrokenProcessPool:
        raise UserError(
            "a process of this command was killed (out of memory?); with fewer at a time, the same "
            "command takes less memory"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_starter(signal.SIGKILL)

"""Requests to stop at the next update, by a signal or a file; the loop looks between two."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class StopRequest:
    """Whether, and by which signal, the run was asked to stop; a stop file counts as SIGTERM."""

    signal: int | None = None
    file: Path | None = None
    _next_look: float = 0.0

    def __bool__(self) -> bool:
        if self.signal is None and self.file is not None and monotonic() >= self._next_look:
            self._next_look = monotonic() + SECONDS_BETWEEN_LOOKS
            if self.file.exists():
                self.signal = signal.SIGTERM
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, as shells do; 75 ("try again") for a signal that a cluster sends."""
        return 130 if self.signal == signal.SIGINT else 75


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn Ctrl-C, SIGTERM and SIGUSR1 into a :class:`StopRequest`.

    A second Ctrl-C ends the process at once. Outside the main thread nothing is installed.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, _frame: object) -> None:
        if request and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = number

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""What the storm does to runs: while they go on, and to their files while they are down."""

import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from experiments.launch.worker import attempt
from experiments.processes import end_with_starter
from experiments.tracking.names import CONFIG, DATA, LOG, METRICS, RESULT, STOP
from experiments.training.checkpoint import PATTERN


def carry_out(folder: Path, file_limit: int | None) -> None:
    """In a process of its own: what a sweep's worker does, with files of at most ``file_limit``
    bytes, as on a disk that is full."""
    end_with_starter(signal.SIGKILL)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))
    with (folder / LOG).open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.exit(attempt(folder, lambda _config: lambda _event: None))


class Start:
    """A start of a run, under way."""

    def __init__(self, context: ForkServerContext, folder: Path, file_limit: int | None) -> None:
        self.context, self.folder = context, folder
        (folder / STOP).unlink(missing_ok=True)
        self.process: Any = context.Process(target=carry_out, args=(folder, file_limit))
        self.process.start()

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None if it goes on still."""
        self.process.join(seconds)
        code: int | None = self.process.exitcode
        return code

    def send(self, name: str) -> None:
        """Send it a signal, if it goes on still."""
        if self.process.exitcode is None:
            os.kill(self.process.pid, signal.Signals[name])


def _signal(name: str) -> Callable[[random.Random, Start], None]:
    return lambda _draw, start: start.send(name)


def _two_signals(draw: random.Random, start: Start) -> None:
    start.send(draw.choice(["SIGINT", "SIGTERM", "SIGUSR1"]))
    time.sleep(draw.choice([0, 0.01, 0.1]))
    start.send(draw.choice(["SIGINT", "SIGTERM", "SIGKILL"]))


def _held(draw: random.Random, start: Start) -> None:
    start.send("SIGSTOP")
    time.sleep(draw.uniform(0, 0.5))
    start.send("SIGCONT")


def _second(_draw: random.Random, start: Start) -> None:
    Start(start.context, start.folder, None).wait(300)


def _stop_file(_draw: random.Random, start: Start) -> None:
    (start.folder / STOP).touch()


def _removed(_draw: random.Random, start: Start) -> None:
    shutil.rmtree(start.folder, ignore_errors=True)


def _moved_back(_draw: random.Random, start: Start) -> None:
    away = start.folder.with_name("away")
    start.folder.rename(away)
    start.wait(300)
    shutil.rmtree(start.folder, ignore_errors=True)
    away.rename(start.folder)


def _cut_records(draw: random.Random, start: Start) -> None:
    start.send("SIGSTOP")
    if start.wait(0) is None and not (start.folder / RESULT).exists():
        cut(draw, start.folder / METRICS)
    start.send("SIGCONT")


DURING: dict[str, Callable[[random.Random, Start], None]] = {
    "SIGKILL": _signal("SIGKILL"),
    "SIGTERM": _signal("SIGTERM"),
    "SIGINT": _signal("SIGINT"),
    "SIGUSR1": _signal("SIGUSR1"),
    "two signals": _two_signals,
    "SIGSTOP, SIGCONT": _held,
    "a second start": _second,
    "a stop file": _stop_file,
    "folder removed": _removed,
    "folder moved, and back": _moved_back,
    "records cut while it writes": _cut_records,
    "no room on the disk": lambda _draw, _start: None,
}


def newest(folder: Path) -> Path:
    """A run's last checkpoint; a path that is not there without one."""
    return max(folder.glob(PATTERN), default=folder / "checkpoint")


def flip(draw: random.Random, path: Path) -> None:
    """Turn one bit over."""
    if path.exists() and path.stat().st_size:
        data = bytearray(path.read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)


def zero(draw: random.Random, path: Path) -> None:
    """Lose a block."""
    if path.exists():
        data = bytearray(path.read_bytes())
        start = draw.randrange(len(data) + 1)
        data[start : start + 4096] = bytes(len(data[start : start + 4096]))
        path.write_bytes(data)


def cut(draw: random.Random, path: Path) -> None:
    """Lose the end."""
    if path.exists():
        os.truncate(path, draw.randint(0, path.stat().st_size))


def garbage(draw: random.Random, path: Path) -> None:
    """Put something else in the middle."""
    if path.exists():
        data = path.read_bytes()
        at = draw.randint(0, len(data))
        path.write_bytes(data[:at] + draw.randbytes(draw.randint(1, 50)) + data[at:])


def remove(_draw: random.Random, path: Path) -> None:
    """Lose the file."""
    path.unlink(missing_ok=True)


DAMAGES = {"bit": flip, "block": zero, "end": cut, "garbage": garbage, "removed": remove}


def _any(draw: random.Random, path: Path) -> None:
    draw.choice(list(DAMAGES.values()))(draw, path)


def _both(draw: random.Random, folder: Path) -> None:
    for path in folder.glob(PATTERN):
        _any(draw, path)


def _temporary(draw: random.Random, folder: Path) -> None:
    for name in ("checkpoint-000000009.pt", RESULT, CONFIG):
        (folder / f".{name}.a1b2c3d4").write_bytes(draw.randbytes(1000))


BETWEEN: dict[str, Callable[[random.Random, Path], None]] = {
    **{
        f"last checkpoint: {name}": lambda draw, folder, do=do: do(draw, newest(folder))  # type: ignore[misc]
        for name, do in DAMAGES.items()
    },
    **{
        f"records: {name}": lambda draw, folder, do=do: do(draw, folder / METRICS)  # type: ignore[misc]
        for name, do in DAMAGES.items()
    },
    "all checkpoints": _both,
    "result": lambda draw, folder: _any(draw, folder / RESULT),
    "data's digest": lambda draw, folder: _any(draw, folder / DATA),
    "temporary files left": _temporary,
}

HARMLESS = {*DURING, "temporary files left"} - {"records cut while it writes"}
"""After these every file is whole still: a run must go on to its end."""

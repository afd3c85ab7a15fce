"""Stages of a study: commands with a limit each, whose outcomes are written as they come.

A stage that fails, hangs or runs out of time ends itself alone. Nothing here imports more than
Python has, so that it works before anything is installed.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES, LOGS = "outcomes.jsonl", "logs"

GRACE_SECONDS = 45.0
"""From the signal that asks a stage to stop, at which runs save, to its end."""
LOOK_SECONDS = 0.2

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl

State = Literal["done", "failed", "out of time", "stalled", "stopped", "skipped"]
"""``stalled``: its runs recorded nothing for too long; ``stopped``: the study was asked to end."""


@dataclass(frozen=True)
class Stage:
    """A command of this project."""

    name: str
    words: tuple[str, ...]
    """What follows ``python -m``."""
    seconds: float
    """Its limit; infinite: none but that of the whole study."""
    records: Path | None = None
    """A store whose records must grow while it goes on."""
    stall_seconds: float = 90.0
    """For how long they need not."""


@dataclass(frozen=True)
class Outcome:
    """What became of a stage."""

    stage: str
    state: State
    words: tuple[str, ...]
    exit_code: int | None = None
    seconds: float = 0.0
    said: str = ""
    """The last line that it printed, or why it was left out."""

    @property
    def ended(self) -> bool:
        """Whether it came to an end of its own."""
        return self.state in ("done", "failed")

    def __str__(self) -> str:
        taken = f" after {self.seconds:.0f} s" if self.seconds else ""
        return f"{self.stage}: {self.state}{taken}{f' ({self.said})' if self.said else ''}"


class Stop:
    """Whether the study was asked to end: by a signal, or by its own limit."""

    def __init__(self, seconds: float) -> None:
        self.asked, self.deadline = False, time.monotonic() + seconds
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    @property
    def seconds_left(self) -> float:
        """Until the limit; never below 0."""
        return max(0.0, self.deadline - time.monotonic())


class Outcomes:
    """The outcomes of a study, in a file of lines that outlives whatever happens."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / OUTCOMES

    def add(self, outcome: Outcome) -> None:
        """Write one down before anything else begins, and say it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(outcome, flush=True)

    def last(self) -> dict[str, Outcome]:
        """The last outcome of each stage, by its name."""
        return {outcome.stage: outcome for outcome in self._read()}

    def _read(self) -> Iterator[Outcome]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        for line in lines:
            with suppress(ValueError):  # a line that was cut off with its machine
                raw = json.loads(line)
                yield Outcome(**{**raw, "words": tuple(raw["words"])})


def carry_out(stage: Stage, folder: Path, environment: Mapping[str, str], stop: Stop) -> Outcome:
    """Carry a stage out, within its limit and that of the study; what it prints goes to a file."""
    log = folder / LOGS / f"{stage.name.replace(' ', '-')}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"{stage.name}: python -m {' '.join(stage.words)}", flush=True)
    started = time.monotonic()
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *stage.words],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    interrupted = _watch(stage, process, started, stop)
    if interrupted is not None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError):  # what it left behind, too
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    state: State = interrupted or ("failed" if code else "done")
    lines = log.read_text(errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return Outcome(stage.name, state, stage.words, code, time.monotonic() - started, said)


def _end_with_parent() -> None:
    """Have the system stop a stage whose study was killed, so that its runs save."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)


def _watch(
    stage: Stage, process: "subprocess.Popen[bytes]", started: float, stop: Stop
) -> State | None:
    """Why the stage is to be ended; None once it has ended by itself."""
    size, grown = _size(stage.records), started
    while process.poll() is None:
        present = time.monotonic()
        if stop.asked:
            return "stopped"
        if present - started > stage.seconds or not stop.seconds_left:
            return "out of time"
        if stage.records is not None:
            if (now := _size(stage.records)) != size:
                size, grown = now, present
            if present - grown > stage.stall_seconds:
                return "stalled"
        time.sleep(LOOK_SECONDS)
    return None


def _size(store: Path | None) -> int:
    """The bytes of all records in a store."""
    if store is None:
        return 0
    return sum(path.stat().st_size for path in store.glob("*/*/metrics.jsonl"))

"""A grid at a glance: what became of its runs, for ``plan`` and ``status``."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rich.table import Table

from experiments.launch.plan import UNDER_WAY, state
from experiments.launch.queued import Entry, Queue
from experiments.launch.submission import Words
from experiments.terminal.progress import duration, outcome
from experiments.tracking.names import LOG
from experiments.tracking.records import DamagedRecords, last_record
from experiments.tracking.result import RunResult, State
from experiments.tracking.run_folder import RunFolder

LONG = 40
"""A longer grid is shown a line a setting, not a line a run."""

TROUBLE: tuple[State, ...] = ("failed", "killed", "interrupted")


@dataclass(frozen=True)
class Line:
    """One run."""

    folder: Path
    words: Words
    state: State
    result: RunResult | None
    entry: Entry | None
    """What a launcher says of it, if one has it."""

    @property
    def note(self) -> str:
        """What else there is to say of it."""
        match self.state:
            case "running":
                return _latest_record(self.folder)
            case "queued":
                assert self.entry is not None
                return f"{self.entry.job} {self.entry.reason}"
            case "killed":
                return f"ended without a result: {_last_complaint(self.folder / LOG)}"
            case "missing":
                return ""
            case _:
                return outcome(self.result)


def look(store: Path, runs: Mapping[str, Words], queue: Queue) -> list[Line]:
    """What the folders of ``runs`` (relative to the store, and in words) and the queue say."""
    lines = []
    for key, words in runs.items():
        folder = RunFolder(store / key)
        line = Line(folder.path, words, state(folder, queue), folder.result, queue.get(key))
        lines.append(line)
    return lines


def counts(lines: Sequence[Line]) -> str:
    """``40 completed, 2 diverged, 6 missing``."""
    return ", ".join(f"{n} {s}" for s, n in Counter(line.state for line in lines).most_common())


def table(lines: Sequence[Line], title: str) -> Table:
    """A line a run; for a long grid a line for all seeds of a setting."""
    if len(lines) <= LONG:
        made = Table("run", "", "state", "", title=title)
        for line in lines:
            made.add_row(line.folder.name, line.words.label, line.state, line.note)
        return made
    states = [s for s in get_args(State) if any(line.state == s for line in lines)]
    made = Table("", *states, title=title)
    cells: dict[str, Counter[State]] = {}
    for line in lines:
        cells.setdefault(line.words.setting, Counter())[line.state] += 1
    for cell, found in cells.items():
        made.add_row(cell, *(str(found[s] or "") for s in states))
    return made


def troubles(lines: Sequence[Line]) -> list[str]:
    """Two lines of text about each run that ended and is not done: what, and where its log is."""
    found = [line for line in lines if line.state in TROUBLE]
    return [
        text
        for line in found
        for text in (f"{line.words.label}: {line.note}", f"    {line.folder / LOG}")
    ]


def cost(lines: Sequence[Line]) -> str:
    """What the rest of the grid takes, from its completed runs."""
    done = [line.result for line in lines if line.result and line.result.status == "completed"]
    left = sum(line.state in (*UNDER_WAY, *TROUBLE, "missing") for line in lines)
    if not left:
        return "nothing left to run"
    if not done:
        return "no completed run yet that would tell what the rest takes"
    each = sum(result.wall_seconds for result in done) / len(done)
    gpus = ", ".join(sorted({str(gpu) for result in done if (gpu := result.hardware.get("gpu"))}))
    if gpus:  # a run of several processes has a GPU for each
        taken = sum(r.wall_seconds * r.hardware.get("processes", 1) for r in done) / len(done)
        total = f"{taken * left / 3600:.2g} GPU-hours on {gpus} left"
    else:
        total = f"{duration(each * left)} left, one at a time"
    runs = f"{left} run{'s' * (left > 1)} of {duration(each)}"
    return f"about {total}: {runs}, the mean of {len(done)} completed"


def _latest_record(folder: Path) -> str:
    try:
        last = last_record(folder)
    except DamagedRecords as error:
        return str(error)
    if last is None:
        return "begins"
    return f"epoch {last['epoch']:g}, update {last['update']}"


def _last_complaint(log: Path) -> str:
    """The last error in a run's log, which may be SLURM's or the engine's; else a guess."""
    try:
        text = log.read_text(errors="replace")[-16384:].splitlines()
    except OSError:
        return "killed before it wrote a word?"
    complaints = [line for line in text if "error: " in line.lower()]
    return re.split("error: ", complaints[-1], flags=re.IGNORECASE)[-1] if complaints else "killed?"

"""A sweep's status: what became of its runs, and what the launchers say of the others."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rich.table import Table

from experiments.errors import UserError
from experiments.launch.submission import SWEEPS, Labels, Submission
from experiments.terminal.console import note
from experiments.terminal.progress import duration, outcome
from experiments.tracking.names import LOG, METRICS
from experiments.tracking.records import DamagedRecords, last_record
from experiments.tracking.result import DamagedResult, RunResult, RunState
from experiments.tracking.run_folder import RunFolder

SECONDS_TO_ANSWER = 30

COMPLAINT = re.compile(
    r"error: |no such file or directory|command not found|permission denied", re.IGNORECASE
)
"""In a line of a run's log, from Python, SLURM, the engine or the shell."""

FAILED_START = "The run did not begin:"
"""How a job ends the log of a run that ended badly and wrote nothing itself."""


@dataclass(frozen=True)
class QueueEntry:
    """Where a run that is not done yet is."""

    state: Literal["queued", "running"]
    job: str
    """``SLURM 17_3``, or the local launcher's name."""
    reason: str
    """Why it still waits, in SLURM's words; else empty."""


Queue = dict[str, QueueEntry]
"""By the run's folder relative to the store."""


def squeue(*options: str) -> str:
    """What ``squeue`` prints of this user's jobs. Raises :class:`UserError` if it cannot tell."""
    try:
        done = subprocess.run(
            ["squeue", "--me", "--noheader", *options],
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_ANSWER,
        )
    except FileNotFoundError:
        raise UserError("squeue: not found; a SLURM sweep is seen from its login node") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"squeue does not answer within {SECONDS_TO_ANSWER} s; try again") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["squeue: failed without a word"])[-1]
        raise UserError(f"{last}; try again where and when SLURM answers")
    return done.stdout


def read_queue(store: Path) -> Queue:
    """The runs of ``store`` that a launcher still holds.

    A job's name says which submission it belongs to, so nothing that was submitted is forgotten
    even if the submitting process died. Raises :class:`UserError` if SLURM does not answer; a
    machine without SLURM holds no SLURM jobs.
    """
    queue: Queue = {}
    for lock in (store / SWEEPS).glob("*/*/lock"):
        submission = Submission(lock.parent)
        if submission.is_held:
            for run in (run for member in _members(submission) for run in member):
                queue[run] = QueueEntry("queued", submission.name, "")
    if shutil.which("squeue") and any((store / SWEEPS).glob("*/*/job.sh")):
        queue.update(_slurm_queue(store))
    return queue


def _slurm_queue(store: Path) -> Queue:
    queue: Queue = {}
    members: dict[str, list[list[str]]] = {}
    for line in squeue("--array", "--format=%j|%F|%K|%T|%r").splitlines():
        name, job, index, found, reason = line.split("|", 4)
        if name not in members:
            sweep, _, submission = name.partition(".")
            path = store / SWEEPS / sweep / submission
            known = submission and (path / "job.sh").exists()
            members[name] = _members(Submission(path)) if known else []
        if not index.isdigit() or int(index) >= len(members[name]):
            continue
        runs = members[name][int(index)]
        started = found in ("RUNNING", "COMPLETING", "SUSPENDED")
        for run in runs:
            # Runs that share a job: their folders say which of them are at work.
            going = started and len(runs) == 1
            queue[run] = QueueEntry(
                "running" if going else "queued", f"SLURM {job}_{index}", "" if started else reason
            )
    return queue


def _members(submission: Submission) -> list[list[str]]:
    """A submission's runs by its jobs; none where that cannot be read, which is said."""
    try:
        return submission.members
    except UserError as error:
        note(f"{error}; which of its runs are queued is not known")
        return []


DONE: tuple[RunState, ...] = ("completed", "diverged")
UNDER_WAY: tuple[RunState, ...] = ("running", "queued")
LEFT: tuple[RunState, ...] = ("failed", "killed", "interrupted", "missing")


def state(folder: RunFolder, queue: Queue) -> RunState:
    """What a run's folder says of it, and the launchers where it is not done."""
    try:
        result = folder.result
    except DamagedResult:
        return "running" if folder.busy else "damaged"
    if result is not None and result.status in DONE:
        return result.status
    if not folder.path.exists():
        return "missing"
    if folder.busy:
        return "running"
    if entry := queue.get(f"{folder.path.parent.name}/{folder.path.name}"):
        return entry.state
    if result is not None:
        return result.status
    begun = any((folder.path / name).exists() for name in (METRICS, LOG))
    return "killed" if begun else "missing"


LONG = 40
"""A longer grid is shown a line a setting, not a line a run."""

TROUBLE: tuple[RunState, ...] = (*LEFT[:-1], "damaged")


@dataclass(frozen=True)
class Line:
    """One run."""

    folder: Path
    words: Labels
    state: RunState
    result: RunResult | None
    entry: QueueEntry | None
    """What a launcher says of it, if one has it."""
    damage: str = ""
    """Why its result cannot be read."""

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
            case "interrupted" if complaint := _failed_start(self.folder / LOG):
                return f"{outcome(self.result)}; started again, it ended at once: {complaint}"
            case "damaged":
                return self.damage
            case "missing":
                return ""
            case _:
                return outcome(self.result)


def look(store: Path, runs: Mapping[str, Labels], queue: Queue) -> list[Line]:
    """What the folders of ``runs`` (relative to the store, and in words) and the queue say."""
    lines = []
    for key, words in runs.items():
        folder = RunFolder(store / key)
        result, damage = None, ""
        try:
            result = folder.result
        except DamagedResult as error:
            damage = str(error)
        found = state(folder, queue)
        lines.append(Line(folder.path, words, found, result, queue.get(key), damage))
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
    states = [s for s in get_args(RunState) if any(line.state == s for line in lines)]
    made = Table("", *states, title=title)
    cells: dict[str, Counter[RunState]] = {}
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
    text = _tail(log)
    if text is None:
        return "killed before it wrote a word?"
    complaints = [line for line in text if COMPLAINT.search(line)]
    return re.split("error: ", complaints[-1], flags=re.IGNORECASE)[-1] if complaints else "killed?"


def _failed_start(log: Path) -> str:
    """What was said before a job found that its run had not begun; empty if that was not so."""
    text = _tail(log)
    if not text or not text[-1].startswith(FAILED_START):
        return ""
    return f"{text[-2]} ({text[-1].removeprefix(FAILED_START).strip()})" if text[:-1] else text[-1]


def _tail(log: Path) -> list[str] | None:
    try:
        return log.read_text(errors="replace")[-16384:].splitlines()
    except OSError:
        return None

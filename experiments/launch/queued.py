"""Which runs wait or go on somewhere just now: what the launchers themselves say."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.errors import UserError
from experiments.launch.submission import SWEEPS, Submission

SECONDS_TO_ANSWER = 30


@dataclass(frozen=True)
class Entry:
    """Where a run that is not done yet is."""

    state: Literal["queued", "running"]
    job: str
    """``SLURM 17_3``, or the local launcher's name."""
    reason: str
    """Why it still waits, in SLURM's words; else empty."""


Queue = dict[str, Entry]
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
            for run in submission.runs:
                queue[run] = Entry("queued", submission.name, "")
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
            members[name] = Submission(path).members if known else []
        if not index.isdigit() or int(index) >= len(members[name]):
            continue
        runs = members[name][int(index)]
        started = found in ("RUNNING", "COMPLETING", "SUSPENDED")
        for run in runs:
            # Runs that share a job: their folders say which of them are at work.
            going = started and len(runs) == 1
            queue[run] = Entry(
                "running" if going else "queued", f"SLURM {job}_{index}", "" if started else reason
            )
    return queue

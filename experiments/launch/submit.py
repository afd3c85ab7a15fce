"""Handing runs to a launcher, and taking them back."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.files import locked
from experiments.launch import slurm, supervisor
from experiments.launch.container import check_engine
from experiments.launch.launcher import Launcher, LocalLauncher, SlurmLauncher
from experiments.launch.snapshot import Code
from experiments.launch.status import UNDER_WAY, read_queue, state
from experiments.launch.submission import SWEEPS, Submission, Sweep, new_submission, run_key
from experiments.tracking.run_folder import RunFolder


def one_at_a_time(store: Path) -> AbstractContextManager[int]:
    """Wait for other commands that submit to the same store, so that none queues a run twice."""
    return locked(store / SWEEPS / ".lock")


def check_launcher(launcher: Launcher) -> None:
    """Refuse what the launcher would not take, before anything is written. Raises
    :class:`UserError`."""
    if isinstance(launcher, SlurmLauncher):
        slurm.check(launcher)  # the engine is asked for on the nodes, not here
    else:
        check_engine(launcher)


def submit_runs(
    sweep: Sweep, configs: Sequence[RunConfig], launcher: Launcher, code: Code
) -> list[str]:
    """Submit runs of a sweep; returns a line for the person about each thing that now goes on.

    Raises :class:`UserError` if the launcher refuses.
    """
    for config in configs:
        RunFolder(config.folder).write_config(config)
    if launcher.container is not None:  # engines refuse to mount what is not there
        configs[0].runner.data_dir.mkdir(parents=True, exist_ok=True)
    keys = [run_key(config) for config in configs]
    facts = {"commit": code.commit, "dirty": code.dirty, "code": str(code.path)}
    if isinstance(launcher, LocalLauncher):
        submission = new_submission(sweep, launcher, [[key] for key in keys], facts)
        process = supervisor.submit_local(submission, code)
        return [f"process {process}; its log: {submission.path / supervisor.LOG}"]
    submissions: list[Submission] = []
    jobs: list[str] = []
    for members in slurm.split(keys, launcher, slurm.max_array_size()):
        submissions.append(new_submission(sweep, launcher, members, facts))
        jobs.append(slurm.submit_array(submissions[-1], code, configs[0].runner.data_dir))
    report = slurm.submit_report(submissions, jobs, code)
    arrays = zip(jobs, submissions, strict=True)
    lines = [f"SLURM job {job}, {len(s.members)} in its array: {s.path}" for job, s in arrays]
    return [*lines, f"SLURM job {report} collects the results when they have ended"]


def cancel_sweep(sweep: Sweep) -> int:
    """Cancel what is still queued or going on; returns how many runs that were.

    Runs under way save first. Raises :class:`UserError`.
    """
    queue = read_queue(sweep.store)
    states = [state(RunFolder(sweep.store / run), queue) for run in sweep.runs]
    for submission in sweep.submissions:
        if not any(run in queue for run in submission.runs):
            continue
        if submission.launcher.name == "slurm":
            slurm.cancel(submission)
        elif submission.is_held:
            supervisor.cancel(submission)
    return sum(found in UNDER_WAY for found in states)


def launcher_of(sweep: Sweep) -> Launcher:
    """Where the sweep's runs went the last time. Raises :class:`UserError`."""
    if not sweep.submissions:
        raise UserError(f"{sweep.name}: nothing of it was submitted yet")
    return sweep.submissions[-1].launcher

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
from experiments.launch.status import UNDER_WAY, read_queue, squeue, state
from experiments.launch.submission import SWEEPS, TABLE, Submission, Sweep, new_submission, run_key
from experiments.tracking.names import RESULT
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
    arrays = zip(jobs, submissions, strict=True)
    lines = [f"SLURM job {job}, {len(s.members)} in its array: {s.path}" for job, s in arrays]
    return [*lines, *_report_after(submissions[-1], jobs)]


def _report_after(submission: Submission, jobs: Sequence[str]) -> list[str]:
    try:
        report = slurm.submit_report(submission, jobs)
    except UserError as error:  # the runs go on without it
        return [f"note: no job collects the results yet ({error}); status or submit queues one"]
    return [f"SLURM job {report} collects the results when they have ended"]


def ensure_report(sweep: Sweep) -> list[str]:
    """Queue the job that collects the results of a SLURM sweep, if there is none and one is needed;
    a line that says so.

    There is none if the command that submitted died before, or SLURM refused it. Raises
    :class:`UserError` if SLURM does not answer.
    """
    arrays = [s for s in sweep.submissions if isinstance(s.launcher, SlurmLauncher)]
    if not arrays:
        return []
    names = {array.name for array in arrays}
    listed = [line.split("|") for line in squeue("--format=%j|%F").splitlines()]
    if any(name == slurm.report_name(sweep.path) for name, _ in listed):
        return []
    jobs = sorted({job for name, job in listed if name in names})
    return _report_after(arrays[-1], jobs) if jobs or not is_collected(sweep) else []


def is_collected(sweep: Sweep) -> bool:
    """Whether the table of a sweep's results has all that there are."""
    results = [sweep.store / run / RESULT for run in sweep.runs]
    newest = max((path.stat().st_mtime for path in results if path.exists()), default=0.0)
    table = sweep.path / TABLE
    return newest == 0.0 or (table.exists() and table.stat().st_mtime >= newest)


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

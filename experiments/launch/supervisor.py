"""The local launcher's process: carries out a submission without anyone watching.

``python -m experiments.launch.supervisor SUBMISSION LOCK`` is what ``submit launcher=local`` starts
in a session of its own, so that it outlives the shell; LOCK is the file descriptor that it holds
the submission by.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.launch.estimate import measure
from experiments.launch.launcher import LocalLauncher
from experiments.launch.local import choose_slots, run_local
from experiments.launch.mps import share_gpus
from experiments.launch.snapshot import Code
from experiments.launch.submission import Submission, Sweep
from experiments.processes import process_pool
from experiments.terminal.console import exit_on_user_error, say
from experiments.terminal.progress import display
from experiments.tracking.run_folder import RunFolder
from experiments.training.precision import choose_device
from experiments.training.signals import stop_on_signals

PID, LOG = "pid", "log.txt"


def submit_local(submission: Submission, code: Code) -> int:
    """Start the process that carries the submission out; returns its number at once."""
    with submission.held() as lock, (submission.path / LOG).open("a") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "experiments.launch.supervisor",
                str(submission.path),
                str(lock),
            ],
            cwd=code.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],  # so that it holds the submission from now to its end
        )
        write_pid(submission, process.pid)
    return process.pid


def write_pid(submission: Submission, pid: int) -> None:
    """Note which process carries a submission out, for :func:`cancel`."""
    write_atomic(submission.path / PID, f"{os.uname().nodename} {pid}\n")


def cancel(submission: Submission) -> None:
    """Ask the process to stop; its runs save first. Raises :class:`UserError` if it is on another
    machine."""
    host, pid = (submission.path / PID).read_text().split()
    if host != os.uname().nodename:
        raise UserError(f"{submission.name}: goes on on {host}; give the command there")
    os.kill(int(pid), signal.SIGTERM)


def slots_for(configs: list[RunConfig], launcher: LocalLauncher) -> list[str]:
    """Where the runs go. A GPU is made ready to be shared, and how much memory of it a run takes
    is found out."""
    device, memory = configs[0].runner.device, None
    chosen = choose_device(device)
    if launcher.mps and len(configs) > 1 and launcher.jobs != 1:
        share_gpus(chosen)
    if launcher.jobs is None and chosen.type == "cuda":
        with process_pool(1) as pool:
            memory = pool.submit(measure, configs[0]).result().gpu_memory
    return choose_slots(launcher, device, len(configs), memory)


def _readable(submission: Submission) -> Iterator[RunConfig]:
    """The submission's runs, but for those that cannot be read, which are named."""
    for run in submission.runs:
        try:
            yield RunFolder(submission.store / run).config
        except UserError as error:
            say(f"error: {error}")


def main() -> int:
    """Carry out the submission that the command line names, then collect its sweep."""
    submission = Submission(Path(sys.argv[1]))
    configs = list(_readable(submission))
    launcher = submission.launcher
    assert isinstance(launcher, LocalLauncher)
    runs = Sweep(submission.path.parent).runs.items()
    names = {run.rpartition("/")[2]: words.label for run, words in runs}
    with stop_on_signals() as stop, display(len(configs), names) as shown:
        if configs:
            run_local(configs, slots_for(configs, launcher), launcher, shown, stop)
    if stop:
        return stop.exit_code
    os.close(int(sys.argv[2]))  # nothing of it is queued any more
    sweep = submission.path.parent
    done = subprocess.run([sys.executable, "-m", "experiments.sweep", "collect", str(sweep)])
    return done.returncode


if __name__ == "__main__":
    with exit_on_user_error():
        sys.exit(main())

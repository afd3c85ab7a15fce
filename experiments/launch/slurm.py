"""The SLURM launcher: an ``sbatch`` array over runs, and a report after it.

A job's payload is its runs' folders. Under its batch script every run is a job step of its own;
the script stays on the host, outside any container, and queues the job again when a run says that
it was interrupted.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.launch.container import srun_options, wrap
from experiments.launch.launcher import SlurmLauncher
from experiments.launch.snapshot import Code
from experiments.launch.status import FAILED_START
from experiments.launch.submission import Submission

TEMPLATES = Path(__file__).parent / "templates"

AWAY = ("unable to contact", "timed out", "connection refused", "communication")
"""What SLURM's commands say where it is not the words that are wrong."""

DEFAULT_MAX_ARRAY_SIZE = 1001
"""SLURM's own default, for clusters that do not tell."""


def check(launcher: SlurmLauncher) -> None:
    """Let SLURM look at the options without submitting. Raises :class:`UserError`."""
    script = "#!/bin/bash\ntrue\n"
    _sbatch(["--test-only", "--array=0", *_options(launcher)], script)


def max_array_size() -> int:
    """The jobs that one array may have on this cluster."""
    done = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize" and value.strip().isdigit():
            return int(value)
    return DEFAULT_MAX_ARRAY_SIZE


def split(runs: Sequence[str], launcher: SlurmLauncher, largest: int) -> list[list[list[str]]]:
    """Runs as members of jobs, and these as arrays that SLURM takes."""
    size = launcher.runs_per_job
    members = [list(runs[i : i + size]) for i in range(0, len(runs), size)]
    return [members[i : i + largest] for i in range(0, len(members), largest)]


def submit_array(submission: Submission, code: Code, data_dir: Path) -> str:
    """Hand one submission to SLURM as an array; returns the job's number.

    Raises :class:`UserError` if SLURM does not take it.
    """
    launcher = submission.launcher
    assert isinstance(launcher, SlurmLauncher)
    write_atomic(
        submission.path / "run.sh", _run_script(launcher, submission.store, code, data_dir)
    )
    script = _fill(
        "job.sh",
        members=submission.path / "members.txt",
        store=submission.store,
        cancelled=submission.path / "cancelled",
        run_script=submission.path / "run.sh",
        failed_start=FAILED_START,
        requeues=launcher.requeues,
        tasks=launcher.nodes * launcher.tasks_per_node,
        setup="\n".join(launcher.setup),
        srun=shlex.join(
            srun_options(launcher, code=code.path, mounts=[submission.store, data_dir])
        ),
    )
    write_atomic(submission.path / "job.sh", script)
    throttle = f"%{launcher.at_once}" if launcher.at_once else ""
    return _sbatch(
        [
            f"--job-name={submission.name}",
            f"--array=0-{len(submission.members) - 1}{throttle}",
            f"--output={submission.path}/job-%a.txt",
            "--open-mode=append",
            "--requeue",
            f"--signal=USR1@{launcher.notice}",
            *_options(launcher),
        ],
        script,
    )


def report_name(sweep: Path) -> str:
    """The name of the job that collects a sweep's results."""
    return f"{sweep.name}.report"


def submit_report(submission: Submission, jobs: Sequence[str]) -> str:
    """A job that collects the results of the submission's sweep once all of ``jobs`` have ended,
    however. Raises :class:`UserError` if SLURM does not take it."""
    launcher, sweep = submission.launcher, submission.path.parent
    assert isinstance(launcher, SlurmLauncher)
    code = submission.record["code"]
    command = [sys.executable, "-m", "experiments.sweep", "collect", str(sweep)]
    script = "\n".join(
        ["#!/bin/bash", *launcher.setup, f"cd {shlex.quote(code)}", shlex.join(command)]
    )
    few = launcher.model_copy(
        update={"time": 30, "memory": None, "gpus": 0, "nodes": 1, "tasks_per_node": 1, "cpus": 1}
    )
    return _sbatch(
        [
            f"--job-name={report_name(sweep)}",
            *([f"--dependency=afterany:{':'.join(jobs)}"] if jobs else []),
            f"--output={sweep}/report.txt",
            *_options(few),
        ],
        script + "\n",
    )


def cancel(submission: Submission) -> None:
    """Take a submission's jobs out of the queue; runs under way stop and save first."""
    write_atomic(submission.path / "cancelled", "")  # or their scripts would queue them again
    _run(["scancel", "--me", f"--jobname={submission.name}"])


def _options(launcher: SlurmLauncher) -> list[str]:
    """The launcher's settings as sbatch writes them."""
    options = {
        "partition": launcher.partition,
        "account": launcher.account,
        "time": launcher.time,
        "mem": launcher.memory,
        "gpus-per-node": launcher.gpus or None,
        "nodes": launcher.nodes,
        "ntasks-per-node": launcher.tasks_per_node,
        "cpus-per-task": launcher.cpus,
        "constraint": launcher.constraint,
    }
    written = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return [*written, *launcher.directives]


def _run_script(launcher: SlurmLauncher, store: Path, code: Code, data_dir: Path) -> str:
    """What a task of a step does: find its place among the run's tasks, carry the run out."""
    python = sys.executable if launcher.container is None else "python"
    command = wrap(
        launcher,
        [python, "-m", "experiments.launch.worker"],
        code=code.path,
        mounts=[store, data_dir],
        gpu=launcher.gpus > 0,
    )
    inside = launcher.container in (None, "pyxis")
    carry_out = _fill("direct.sh" if inside else "contained.sh", command=shlex.join(command))
    return _fill("run.sh", code=code.path, carry_out=carry_out)


def _fill(template: str, **values: object) -> str:
    """A shell script with its ``@NAME@`` places filled; paths are quoted."""
    text = (TEMPLATES / template).read_text()
    for name, value in values.items():
        written = shlex.quote(str(value)) if isinstance(value, Path) else str(value)
        text = text.replace(f"@{name.upper()}@", written)
    return text


def _sbatch(options: Sequence[str], script: str) -> str:
    return _run(["sbatch", "--parsable", *options], script).strip().partition(";")[0]


def _run(command: Sequence[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError(
            f"{command[0]}: not found; submit from a login node of the cluster, or write "
            "launcher=local"
        ) from None
    if done.returncode:
        said = "; ".join(line.split("error: ", 1)[-1] for line in done.stderr.splitlines())
        away = any(word in said.lower() for word in AWAY)
        remedy = "try again when SLURM answers" if away else "see launcher.* in the command"
        raise UserError(f"{command[0]}: {said or 'failed without a word'}; {remedy}")
    return done.stdout

"""A clean checkout to submit from, and a real SLURM where it can be started."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
HELPER = ROOT / "scripts" / "slurm_one_node.sh"

SMOKE = [
    *("task=cifar10", "protocol=smoke", "task.dataset=standin", "tracking=local"),
    *("runner.device=cpu", "runner.threads=1", "runner.checkpoint_seconds=0.5"),
]

TRIAL = """\
# @package _global_
# Twelve runs: six quick ones, one that diverges, five that last long enough for an accident.
experiment: trial
grid:
  - {optimizer: [radam], optimizer.lr: [0.03, 0.01, 0.003], seed: [1, 2]}
  - {optimizer: [sgd], optimizer.lr: [1.0e+38], seed: [1]}
  - {optimizer: [adam], optimizer.lr: [0.03], protocol.epochs: [100], seed: [1, 2, 3, 4, 5]}
"""


class Checkout:
    """A clone of the working tree as it is, committed, and its command line."""

    def __init__(self, path: Path, environment: dict[str, str]) -> None:
        self.path, self.environment, self.python = path, environment, sys.executable

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *who, *words], cwd=self.path, check=True, capture_output=True)

    def sweep(
        self, *words: str | Path, code: int | None = 0, timeout: float = 240, **variables: str
    ) -> str:
        """What ``python -m experiments.sweep words...`` prints; its exit code must be ``code``."""
        done = subprocess.run(
            [self.python, "-m", "experiments.sweep", *map(str, words)],
            cwd=self.path,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    path = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in listed.split("\0"):
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
    (path / "configs/experiment/trial.yaml").write_text(TRIAL)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    environment["RADAM_DATA"] = str(tmp_path_factory.mktemp("data"))
    environment["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    made = Checkout(path, environment)
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "As it is"]):
        made.git(*words)
    return made


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def slurm_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    missing = [p for p in ("sbatch", "slurmctld", "slurmd", "munged") if not _installed(p)]
    if missing:
        pytest.skip(f"no SLURM to try: {', '.join(missing)} not installed (slurm-wlm, munge)")
    if os.getuid() != 0:
        pytest.skip("no SLURM to try: its daemons are started as root")
    folder = tmp_path_factory.mktemp("slurm")
    port = 20000 + os.getpid() % 5000 * 5
    words = ["start", str(folder), "--nodes", "4", "--cpus", "1", "--port", str(port)]
    started = subprocess.run([HELPER, *words], capture_output=True, text=True)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield folder
    finally:
        subprocess.run([HELPER, "stop", str(folder)], capture_output=True)


def _installed(program: str) -> bool:
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is not None


class Slurm:
    """The SLURM under test, and what can happen to a cluster's jobs."""

    def __init__(self, folder: Path, checkout: Checkout) -> None:
        self.folder = folder
        self.environment = {**checkout.environment, "SLURM_CONF": str(folder / "slurm.conf")}

    def __call__(self, *words: str) -> str:
        return subprocess.run(
            words, env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def job_of(self, run: Path) -> str:
        """The job that a run goes on in."""
        step = next(p for p in self.process_of(run).parents() if "slurmstepd" in p.name())
        match = re.search(r"\[(\d+)\.", " ".join(step.cmdline()))
        assert match
        return match[1]

    def seconds_of(self, run: Path) -> int:
        """How long the job of a run goes on already."""
        used = self("squeue", "--noheader", "--format=%M", f"--job={self.job_of(run)}")
        minutes, _, seconds = used.strip().rpartition(":")
        return 60 * int(minutes) + int(seconds)

    def node_of(self, run: Path) -> str:
        """The node that a run goes on on."""
        return self("squeue", "--noheader", "--format=%N", f"--job={self.job_of(run)}").strip()

    def process_of(self, run: Path) -> psutil.Process:
        """The process that carries a run out."""
        return next(p for p in psutil.process_iter() if carries_out(p, run))

    def lose(self, node: str) -> None:
        """Take the current from a node: its daemon and all that goes on there end at once."""
        daemon = psutil.Process(int((self.folder / f"slurmd-{node}.pid").read_text()))
        jobs = self("squeue", "--array", "--noheader", "--format=%A", f"--nodelist={node}").split()
        for process in psutil.process_iter():
            if "slurmstepd" in process.name() and any(
                f"[{job}." in " ".join(process.cmdline()) for job in jobs
            ):
                for lost in [process, *process.children(recursive=True)]:
                    _kill(lost)
        _kill(daemon)


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def carries_out(process: psutil.Process, run: Path) -> bool:
    try:
        words = process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return words[1:3] == ["-m", "experiments.launch.worker"] and words[-1] == str(run)


@pytest.fixture
def slurm(slurm_folder: Path, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    monkeypatch.setitem(checkout.environment, "SLURM_CONF", str(slurm_folder / "slurm.conf"))
    return Slurm(slurm_folder, checkout)


def wait_until(happened: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"after {seconds:g} s still not: {what}"
        time.sleep(0.2)

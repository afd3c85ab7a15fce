"""A clean checkout to submit from, and a real SLURM where it can be started."""

import contextlib
import os
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
        self, *words: str | Path, code: int | None = 0, timeout: float = 600, **variables: str
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
def store(tmp_path: Path) -> Iterator[Path]:
    """Where runs go; what goes on in the background when the test ends, ends with it."""
    yield tmp_path / "runs"
    for noted in tmp_path.glob("*/sweeps/*/*/pid"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(noted.read_text().split()[1]), signal.SIGKILL)


@pytest.fixture(scope="session")
def slurm_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if os.environ.get("RADAM_TEST_SLURM") == "0":
        pytest.skip("the tests on a real SLURM are switched off by RADAM_TEST_SLURM=0")
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
        if started.returncode:  # where daemons may not open ports or change users, say
            pytest.skip(f"no SLURM to try: {' '.join(started.stderr.split()) or 'it stays down'}")
        yield folder
    finally:
        subprocess.run([HELPER, "stop", str(folder)], capture_output=True)


def _installed(program: str) -> bool:
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is not None


class NotUnderWay(Exception):
    """A run has ended, or was interrupted, before something could happen to it."""


class Slurm:
    """The SLURM under test, and what can happen to a cluster's jobs."""

    def __init__(self, folder: Path, checkout: Checkout) -> None:
        self.folder = folder
        self.environment = {**checkout.environment, "SLURM_CONF": str(folder / "slurm.conf")}

    def __call__(self, *words: str) -> str:
        return subprocess.run(
            words, env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def process_of(self, run: Path) -> int:
        """The process that carries a run out. Raises :class:`NotUnderWay`."""
        found = self.processes_of(run)
        if len(found) != 1:
            raise NotUnderWay(run)
        return found[0]

    def processes_of(self, run: Path) -> list[int]:
        """The same in a list, which is empty where the run does not go on."""
        worker = ["-m", "experiments.launch.worker", str(run)]
        return [pid for pid, words in processes() if words[1:] == worker]

    def job_of(self, run: Path) -> str:
        """The job that a run goes on in, by its place in the array."""
        found = variables(self.process_of(run))
        if "SLURM_ARRAY_TASK_ID" not in found:
            raise NotUnderWay(run)
        return f"{found['SLURM_ARRAY_JOB_ID']}_{found['SLURM_ARRAY_TASK_ID']}"

    def seconds_of(self, run: Path) -> int:
        """How long the job of a run goes on already."""
        used = self("squeue", "--noheader", "--format=%M", f"--job={self.job_of(run)}").strip()
        if ":" not in used:
            raise NotUnderWay(run)
        minutes, _, seconds = used.rpartition(":")
        return 60 * int(minutes) + int(seconds)

    def node_of(self, run: Path) -> str:
        """The node that a run goes on on."""
        node = self("squeue", "--noheader", "--format=%N", f"--job={self.job_of(run)}").strip()
        if not node:
            raise NotUnderWay(run)
        return node

    def lose(self, node: str) -> None:
        """Take the current from a node: its daemon and all that goes on there end at once."""
        listed = self("squeue", "--array", "--noheader", "--format=%A", f"--nodelist={node}")
        jobs = listed.split()
        steps = [f"slurmstepd: [{job}." for job in jobs]
        lost = [int((self.folder / f"slurmd-{node}.pid").read_text())]
        for pid, words in processes():
            if words[0].startswith(tuple(steps)) or variables(pid).get("SLURM_JOB_ID") in jobs:
                lost.append(pid)
        for pid in lost:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def processes() -> Iterator[tuple[int, list[str]]]:
    """Every process and its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text := (folder / "cmdline").read_text(errors="replace"):
                yield int(folder.name), text.rstrip("\0").split("\0")


def variables(pid: int) -> dict[str, str]:
    """A process's environment; empty if it is gone."""
    try:
        text = Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in text.split("\0") if "=" in word)


@pytest.fixture
def slurm(
    slurm_folder: Path, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slurm]:
    configuration = str(slurm_folder / "slurm.conf")
    monkeypatch.setitem(checkout.environment, "SLURM_CONF", configuration)
    monkeypatch.setenv("SLURM_CONF", configuration)
    made = Slurm(slurm_folder, checkout)
    yield made
    subprocess.run(["scancel", "--quiet", "--me"], env=made.environment)  # of a test that failed
    wait_until(lambda: not made("squeue", "--noheader"), "the queue is empty again")


PATIENCE = 600
"""Seconds after which what should happen never will, however much else the machine has to do."""


def supervisor(sweep: Path) -> psutil.Process:
    """The process that a local submission left behind."""
    _, pid = next(sweep.glob("*/pid")).read_text().split()
    return psutil.Process(int(pid))


def wait_until(happened: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"after {seconds:g} s still not: {what}"
        time.sleep(0.2)

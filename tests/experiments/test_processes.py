"""Whatever ends a command ends the processes that it started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from experiments.errors import UserError
from experiments.processes import process_pool
from tests.experiments.conftest import ROOT, environment

SECONDS = 60
"""Within which they are gone, on a machine with much else to do."""

AT_WORK = """
import time
from experiments.processes import context, end_with_starter, process_pool
def work(signal):
    end_with_starter(signal)
    time.sleep(3600)
if __name__ == "__main__":
    one = context.Process(target=work, args=(15,))
    one.start()
    with process_pool(2) as pool:
        print([pool.submit(abs, -1).result() for _ in range(2)], flush=True)
        pool.submit(time.sleep, 3600)
        time.sleep(3600)
"""


def wait_until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def ends_with_all_it_started(process: psutil.Popen, number: int, children: int) -> None:
    started: list[psutil.Process] = []
    while len(started) < children:
        started = process.children(recursive=True)
        assert process.poll() is None
    process.send_signal(number)
    process.wait(SECONDS)
    wait_until(lambda: not any(map(lives, started)))


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_their_starter(number: int, tmp_path: Path) -> None:
    script = tmp_path / "at_work.py"
    script.write_text(AT_WORK)
    words = [sys.executable, str(script)]
    env = {**environment(), "PYTHONPATH": str(ROOT)}
    process = psutil.Popen(words, env=env, stdout=subprocess.PIPE)
    assert process.stdout.readline()
    ends_with_all_it_started(process, number, 4)  # the server, one by itself, two of the pool


@pytest.mark.slow
def test_a_sweep_that_is_killed_while_it_measures_leaves_no_process(
    smoke: list[str], tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "experiments.sweep", "run", *smoke, "seed=1,2"]
    words += ["protocol.epochs=2000", "launcher.jobs=2"]
    process = psutil.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    for line in process.stdout:
        if b"Measuring" in line:
            break
    ends_with_all_it_started(process, signal.SIGKILL, 3)
    assert not list(tmp_path.glob("runs/cifar10/*/metrics.jsonl"))


def lose_a_process() -> None:
    with process_pool(1) as pool:
        lost = pool.submit(os.getpid).result()
        sleeping = pool.submit(time.sleep, 3600)
        os.kill(lost, signal.SIGKILL)
        sleeping.result()


def test_a_killed_process_of_a_pool_is_named() -> None:
    with pytest.raises(UserError, match="was killed"):
        lose_a_process()

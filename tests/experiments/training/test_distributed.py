"""Several processes carry out a run as one does; what they cannot share exactly is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import ranks as processes
from experiments.errors import UserError
from experiments.ranks import Place, check_divisible, place_from_environment, rank_slice
from experiments.tracking.result import RunResult, read_result
from experiments.training.checkpoint import choose_part
from experiments.training.distributed import first_host
from tests.experiments.conftest import ROOT, environment

UPDATES = Path(__file__).with_name("updates.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def start(size: int, words: list[str], data: Path) -> "subprocess.Popen[str]":
    """``words`` (a module or script and its arguments) in ``size`` processes."""
    command = [sys.executable, *words] if size == 1 else [*TORCHRUN, str(size), *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment(), "RADAM_DATA": str(data), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", timeout: float = 240) -> str:
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, out + err
    return out + err


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put this process at a place of its own choosing."""
    return lambda rank, size: monkeypatch.setattr(processes, "_place", Place(rank, size))


@pytest.mark.parametrize(("n", "size"), [(128, 4), (80, 3), (5, 2), (1, 3), (0, 2)])
def test_shares_are_everything_once_in_order(n: int, size: int, at: Any) -> None:
    parts = []
    for rank in range(size):
        at(rank, size)
        parts.append(range(n)[rank_slice(n)])
    assert [i for part in parts for i in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_indivisible_batch_is_refused_with_the_numbers(at: Any) -> None:
    at(0, 3)
    check_divisible(129)
    with pytest.raises(UserError, match=r"128 = 3 × 42 \+ 2.*126 or 129"):
        check_divisible(128)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, Place()),
        (
            {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
            Place(3, 8, 1, 2),
        ),
        (
            {
                "SLURM_PROCID": "5",
                "SLURM_STEP_NUM_TASKS": "6",
                "SLURM_LOCALID": "2",
                "SLURM_STEP_TASKS_PER_NODE": "3(x2)",
            },
            Place(5, 6, 2, 3),
        ),
        # A batch script outside srun is one process, however many tasks its job may start.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Place()),
    ],
)
def test_place_is_what_the_launcher_says(
    told: dict[str, str], expected: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith("SLURM_") or n in ("RANK", "WORLD_SIZE")]:
        monkeypatch.delenv(name)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert place_from_environment() == expected


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("gpu[03-05,9],login", "gpu03"),
        ("gpu7", "gpu7"),
        ("a1,a2", "a1"),
        ("n[4,6]-ib", "n4-ib"),
        ("node-2", "node-2"),
    ],
)
def test_first_host_of_slurms_list(nodes: str, expected: str) -> None:
    assert first_host(nodes) == expected


def test_only_what_is_exact_goes_on_with_another_number(at: Any, tmp_path: Path) -> None:
    plain = {"task": {}, "random": "a", "drew": False}
    at(1, 2)
    assert choose_part([plain], tmp_path) is plain
    at(0, 1)
    assert choose_part([plain, {**plain, "random": "b"}], tmp_path) is plain
    for other in ({**plain, "drew": True}, {**plain, "task": {"hidden": 1}}):
        with pytest.raises(UserError, match=r"written by 2 processes.*start 2"):
            choose_part([plain, other], tmp_path)
        at(1, 2)
        assert choose_part([plain, other], tmp_path) is other
        at(0, 1)


COMMON = ["protocol=smoke", "task.dataset=standin", "runner.device=cpu"]
CASES = {
    "cifar10": ["task=cifar10", "optimizer=sgd", *COMMON],
    # The last batch of 45 is 13, which two processes share as 6 and 7; two batches an update.
    "uneven": [
        *("task=cifar10", "optimizer=radam", "training.grad_clip=0.5", "task.train_examples=45"),
        *("training.accumulate=2", "protocol.batch_size=16", *COMMON),
    ],
    "imagenet": ["task=imagenet", "optimizer=radam", *COMMON],
}


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cases' states lie after six updates, made by one process and by two."""
    folder = tmp_path_factory.mktemp("updates")
    for size in (1, 2):
        finish(start(size, [str(UPDATES), str(folder), "6", json.dumps(CASES)], folder / "data"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_make_the_updates_of_one(case: str, updated: Path) -> None:
    alone = torch.load(updated / f"{case}-1-0.pt")
    for rank in (0, 1):
        shared = torch.load(updated / f"{case}-2-{rank}.pt")
        for name, tensor in alone["model"].items():  # batch normalisation's averages among them
            assert torch.allclose(shared["model"][name], tensor, rtol=0, atol=1e-6), name
        assert shared["losses"] == pytest.approx(alone["losses"], abs=1e-9)
        for mine, whole in zip(shared["counts"], alone["counts"], strict=True):
            assert mine["count"] == whole["count"]
            assert mine["correct"] == whole["correct"]
            assert mine["loss"] == pytest.approx(whole["loss"], abs=1e-9)


def words_for(store: Path, *words: str) -> list[str]:
    return [
        *("-m", "experiments.train", "protocol=smoke", "task.dataset=standin", "tracking=local"),
        *("runner.device=cpu", f"runner.runs_dir={store}", *words),
    ]


def result_in(store: Path) -> RunResult:
    (folder,) = (path for path in store.glob("*/*") if path.is_dir())
    result = read_result(folder)
    assert result is not None
    return result


@pytest.mark.slow
def test_two_processes_count_every_test_image_once_and_one_goes_on(tmp_path: Path) -> None:
    # 99 test images, which two processes cannot share equally.
    words = words_for(tmp_path / "two", "task.test_examples=99", "runner.checkpoint_seconds=0")
    out = finish(start(2, words, tmp_path))
    assert out.count("test accuracy") <= 1  # rank 0 alone speaks
    two = result_in(tmp_path / "two")
    assert two.status == "completed"
    assert two.hardware["processes"] == 2
    assert two.final is not None
    assert two.final * 99 / 100 == pytest.approx(round(two.final * 99 / 100))
    finish(start(1, words_for(tmp_path / "one", "task.test_examples=99"), tmp_path))
    one = result_in(tmp_path / "one")
    assert (one.run_id, one.updates) == (two.run_id, two.updates)
    assert one.train_loss == pytest.approx(two.train_loss, rel=1e-2)


@pytest.mark.slow
def test_a_stopped_run_of_two_goes_on_alone(tmp_path: Path) -> None:
    words = words_for(tmp_path / "store", "protocol.epochs=60", "runner.checkpoint_seconds=0")
    process = start(2, words, tmp_path)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "store").glob("*/*/checkpoint-*.pt")):
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.2)
    (folder,) = (path for path in (tmp_path / "store").glob("*/*") if path.is_dir())
    process.send_signal(signal.SIGINT)  # torchrun hands SIGTERM on, to each process at its own time
    process.communicate(timeout=60)
    stopped = read_result(folder)
    assert stopped is not None
    assert stopped.status == "interrupted"
    assert 0 < stopped.updates < 240
    finish(start(1, words, tmp_path))
    assert result_in(tmp_path / "store").updates == 240


@pytest.mark.slow
def test_a_dead_process_ends_the_job_with_its_traceback(tmp_path: Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text(
        "from experiments.ranks import place\n"
        "from experiments.training.distributed import all_reduce_any, process_group\n"
        "with process_group():\n"
        "    while True:\n"
        "        all_reduce_any(False)\n"
        "        if place().rank == 1:\n"
        "            raise RuntimeError('the disk of rank 1 is gone')\n"
    )
    # As srun starts them: nobody watches over both, each must notice by itself.
    port = 20_000 + os.getpid() % 10_000
    told = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "SLURM_STEP_NUM_TASKS": "2"}
    processes_ = [
        subprocess.Popen(
            [sys.executable, str(script)],
            env={
                **environment(),
                **told,
                "PYTHONPATH": str(ROOT),
                "SLURM_PROCID": str(rank),
                "SLURM_LOCALID": str(rank),
                "SLURM_STEP_TASKS_PER_NODE": "2",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    errors = [process.communicate(timeout=60)[1] for process in processes_]
    assert all(process.returncode == 1 for process in processes_)
    assert "process 1 of 2" in errors[1]
    assert "the disk of rank 1 is gone" in errors[1]
    assert "Traceback" in errors[0]


@pytest.mark.slow
def test_a_mistake_is_told_once(tmp_path: Path) -> None:
    process = start(2, words_for(tmp_path / "store", "protocol.batch_size=33"), tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert err.count("error: protocol.batch_size=33: cannot be divided among 2 processes") == 1
    assert not (tmp_path / "store").exists()

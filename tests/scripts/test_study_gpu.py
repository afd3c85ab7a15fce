"""The study on a GPU, carried out on a CPU with runs of seconds: whatever fails, it goes on.

Its stages are real commands. They find neither git nor a network, polars or wandb.
"""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.errors import UserError
from scripts.gpu.plan import PEAKS, read_benchmark
from scripts.gpu.plan import main as plan
from scripts.study_gpu import even_waves, install, main

ROOT = Path(__file__).resolve().parents[2]


def test_waves_are_even() -> None:
    assert even_waves(31, 16) == 16
    assert even_waves(28, 16) == 14
    assert even_waves(28, 28) == 28
    assert even_waves(3, 16) == 3
    assert even_waves(0, 16) == 1
    for runs in range(1, 60):
        for most in range(1, 30):
            jobs = even_waves(runs, most)
            assert jobs <= most
            assert -(-runs // jobs) == -(-runs // most)  # as few waves as can be


def test_a_plan_says_what_it_takes_and_from_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = tmp_path / "gpu.json"
    words = ["experiment=fig6_lr_robustness,table3_early_updates", "protocol=recipe", "seed=1"]
    words += ["training.precision=tf32", "task.dataset=real", f"--benchmark={benchmark}"]
    plan(words)
    said = capsys.readouterr().out
    assert "15 left" in said  # those that the two experiments share are counted once
    assert "64,124 updates of 128 images" in said
    assert "not measured" in said
    assert f"{PEAKS['tf32']:.3g}" in said
    speeds = [{"name": "captured", "runs": n, "images_per_second": 9e4 * n} for n in (1, 4)]
    benchmark.write_text(json.dumps({"precision": "tf32", "speeds": speeds}))
    plan(words)
    said = capsys.readouterr().out
    assert "not measured" not in said
    assert "360,000 images/s with 4 runs at once" in said
    assert read_benchmark(benchmark, "bf16") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "all"], "--seeds all: write numbers"),
        (["--only", "tests"], "--only tests: write some of checks,benchmark,train"),
        (["--wheels", "nowhere"], "--wheels nowhere: no .whl files"),
    ],
)
def test_what_makes_no_sense_is_named(words: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        main([*words, f"--out={tmp_path / 'out'}", f"--runs={tmp_path / 'runs'}"])
    assert not list(tmp_path.iterdir())


def test_wheels_are_unpacked_onto_the_path(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lacking-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("lacking/__init__.py", "VALUE = 7")
    site = install(tmp_path, tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-c", "import lacking; print(lacking.VALUE)"],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "7\n"


Start = Callable[..., "subprocess.Popen[str]"]

SMOKE = (
    *("--device=cpu", "--precision=fp32", "--dataset=standin", "--protocol=smoke", "--seeds=1"),
    *("--experiments=fig6_lr_robustness", "--minutes=60", "runner.threads=1"),
)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a study on one of several machines: a folder each."""
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("polars", "wandb"):
        (bare / f"{name}.py").write_text("raise ImportError('not on this machine')")

    def begin(machine: str, *words: str, **more: str) -> "subprocess.Popen[str]":
        folder = tmp_path / machine
        places = [f"--runs={folder / 'runs'}", f"--out={folder / 'out'}"]
        environment = {
            **os.environ,
            "PYTHONPATH": str(bare),
            "PATH": str(bare),
            "HOME": str(tmp_path),
            "OMP_NUM_THREADS": "1",
            "https_proxy": "http://127.0.0.1:9",
            **more,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.study_gpu", *SMOKE, *places, *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return begin


def outcomes(machine: Path) -> dict[str, str]:
    """The state of each stage, in the order in which they ended for the last time."""
    found: dict[str, str] = {}
    for line in (machine / "out" / "outcomes.jsonl").read_text().splitlines():
        outcome = json.loads(line)
        found.pop(outcome["stage"], None)
        found[outcome["stage"]] = outcome["state"]
    return found


def results(machine: Path) -> list[str]:
    found = machine.glob("runs/*/*/result.json")
    return sorted(json.loads(path.read_text())["status"] for path in found)


def wait_until(true: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_asked_to_end_and_gone_on_with_elsewhere(start: Start, tmp_path: Path) -> None:
    """A kill leaves checkpoints, a signal an archive, with which another machine ends it."""
    words = ["--only=train", "--jobs=2", "protocol.epochs=80", "runner.checkpoint_seconds=0"]
    words += ["optimizer=radam", "optimizer.lr=0.1,0.03"]
    here, there = tmp_path / "here", tmp_path / "there"
    killed = start("here", *words)
    wait_until(lambda: len(list(here.glob("runs/*/*/checkpoint-*.pt"))) == 2)
    killed.kill()
    killed.communicate()
    assert "runs" not in outcomes(here)
    wait_until(lambda: results(here) == ["interrupted"] * 2)  # they outlive it no longer than that
    asked = start("here", *words)
    wait_until(lambda: not results(here))  # they go on
    asked.send_signal(signal.SIGTERM)
    said, _ = asked.communicate(timeout=240)
    assert asked.returncode == 1
    assert outcomes(here)["runs"] == "stopped"
    assert results(here) == ["interrupted"] * 2
    assert "packed:" in said
    records = {p.parent.name: p.read_text() for p in here.glob("runs/*/*/metrics.jsonl")}
    ended = start("there", *words, f"--archive={here / 'out' / 'study.tar'}")
    said, _ = ended.communicate(timeout=600)
    assert ended.returncode == 0, said
    assert "2 runs taken over" in said
    assert results(there) == ["completed"] * 2
    for path in there.glob("runs/*/*/metrics.jsonl"):
        assert path.read_text().startswith(records[path.parent.name])
    (result, _) = [json.loads(p.read_text()) for p in there.glob("runs/*/*/result.json")]
    assert result["epochs"] == 80


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_fails_ends_itself_alone(start: Start, tmp_path: Path) -> None:
    """Tests that cannot begin; runs side by side that get nowhere, as with MPS that hangs."""
    words = ["--only=checks,train", "--jobs=2", "--stall=0", "optimizer.lr=0.1"]
    study = start("here", *words, PYTEST_ADDOPTS="--no-such-option")
    said, _ = study.communicate(timeout=900)
    assert study.returncode == 1
    assert outcomes(tmp_path / "here") == {
        "facts": "done",
        "plan": "done",
        "checks": "done",
        "tests of the parts": "failed",
        "tests of captured runs": "failed",
        "optimizer steps": "done",
        "runs": "stalled",
        "runs that say most": "done",
        "runs one by one": "done",
    }, said
    # The first of them take SGD's place too, and rates that were not asked for.
    assert results(tmp_path / "here") == ["completed"] * 5
    logs = tmp_path / "here" / "out" / "logs"
    assert "--no-such-option" in (logs / "tests-of-captured-runs.txt").read_text()
    checks = json.loads((tmp_path / "here" / "out" / "checks.json").read_text())
    assert {state for state, _ in checks.values()} == {"ok", "not here"}


def test_missing_data_are_said_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    study = start("here", "--dataset=real", f"--data={tmp_path / 'data'}")
    said, _ = study.communicate(timeout=240)
    assert study.returncode == 2
    last = said.splitlines()[-1]
    assert last.startswith("error: ")
    assert "CIFAR-10" in last
    assert outcomes(tmp_path / "here") == {"facts": "done", "plan": "failed"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_without_a_gpu_it_says_so_and_starts_nothing(start: Start, tmp_path: Path) -> None:
    study = start("here", "--device=cuda")
    said, _ = study.communicate(timeout=240)
    assert study.returncode == 2
    assert "error: the study needs a CUDA GPU" in said.splitlines()[-1]
    assert outcomes(tmp_path / "here") == {"facts": "done"}

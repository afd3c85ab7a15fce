"""The main job, ``make reproduce-cifar``, with its real command line on a small grid."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.tracking.store import read_results
from tests.experiments.conftest import ROOT, environment

GRID = [
    "experiment=reproduce_cifar10",
    "protocol=smoke",
    "optimizer=adam,radam",
    "optimizer.lr=0.03,0.01",
    "seed=1,2",
    "runner.device=cpu",
    "tracking=local",
]


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """The command in a folder of its own, in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.sweep", "run", *GRID, *words],
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT), "RADAM_DATA": str(folder / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def stamps(folder: Path) -> dict[str, int]:
    runs = folder / "runs" / "cifar10"
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in runs.rglob("result.json")}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_grid_ends_with_table_report_and_figures_and_runs_nothing_twice(tmp_path: Path) -> None:
    process = start(tmp_path, "task.dataset=standin")
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    results = read_results(tmp_path / "runs")
    assert len(results) == 8
    assert set(results["dataset"]) == {"standin"}

    # Before training: what, on which data, how long; the paper's protocol too.
    before, _, after = said.partition("[1/8]")
    for part in ("STAND-IN", "adam, radam", "0.03, 0.01", "8 missing", "an update", "paper"):
        assert part in before, part
    # After it: the table, robustness, and where everything lies.
    for part in ("n = 2", "plateau", "reports/REPORT.md"):
        assert part in after, part
    report = (tmp_path / "reports" / "REPORT.md").read_text()
    assert "STAND-IN" in report
    figures = sorted(p.name for p in (tmp_path / "reports" / "figures").glob("*.png"))
    assert figures
    assert all("standin" in name for name in figures)

    finished = stamps(tmp_path)
    again = start(tmp_path, "task.dataset=standin")
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert "8 completed" in said
    assert stamps(tmp_path) == finished


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_stops_at_once_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = ["task.dataset=standin", "protocol.epochs=100", "seed=1"]
    process = start(tmp_path, *words)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/cifar10/*/metrics.jsonl")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "The same command goes on" in said
    stopped = read_results(tmp_path / "runs")
    assert "interrupted" in set(stopped["status"])

    done, _ = (process := start(tmp_path, *words)).communicate(timeout=240)
    assert process.returncode == 0, done
    results = read_results(tmp_path / "runs")
    assert set(results["status"]) == {"completed"}
    assert set(results["updates"]) == {400}


def test_real_data_that_are_not_there_end_it_before_it_begins(tmp_path: Path) -> None:
    process = start(tmp_path, "task.dataset=real")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert "RADAM_DATA" in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()


def test_make_alone_lists_the_targets() -> None:
    done = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for target in ("setup", "test", "reproduce-cifar", "report", "bench"):
        assert f"make {target} " in done.stdout


def make(*words: str) -> "subprocess.CompletedProcess[str]":
    """What make would do."""
    command = ["make", "-n", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("setting", ["OPTIMIZER=adam", "LR=0.1", "protocol=smoke", "SEED:=1"])
def test_make_knows_no_misspelt_setting(setting: str) -> None:
    done = make("reproduce-cifar", setting)
    assert done.returncode == 2
    assert f"{setting.split('=')[0].strip(':')}: no such setting; there are PROTOCOL" in done.stderr


def test_make_takes_every_setting_that_it_uses() -> None:
    text = (ROOT / "Makefile").read_text()
    made = set(re.findall(r"^([A-Z_]+) *:?=", text, re.M)) - set(
        re.findall(r"^([A-Z]+) \?=", text, re.M)
    )
    used = set(re.findall(r"\$[({]([A-Z_]+)[)}]", text)) - made - {"MAKEFILE_LIST", "CURDIR"}
    assert len(used) > 10
    done = make("study-gpu", *(f"{name}=1" for name in used - {"VENV", "PYTHON"}))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("value", "dry"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_make_reads_no_as_no(value: str, dry: bool) -> None:
    assert ("--dry-run" in make("study-gpu", f"DRY_RUN={value}").stdout) is dry

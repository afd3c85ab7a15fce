"""Sweeps in the background of one machine, with the real command line."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.experiments.launch.conftest import SMOKE, Checkout, supervisor, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def words(store: Path, *more: str) -> list[str]:
    return [*SMOKE, f"runner.runs_dir={store}", "launcher.jobs=2", *more]


def statuses(store: Path) -> list[str]:
    found = [json.loads(p.read_text())["status"] for p in store.glob("*/*/result.json")]
    return sorted(found)


def with_checkpoint(store: Path) -> set[Path]:
    """The runs that could be gone on with."""
    return {path.parent for path in store.glob("cifar10/*/checkpoint-*.pt")}


def workers(sweep: Path) -> list[psutil.Process]:
    """The processes that carry runs out: children of the fork server, the supervisor's child."""
    children = supervisor(sweep).children(recursive=True)
    return [p for p in children if p.ppid() in [c.pid for c in children]]


def fork_server(sweep: psutil.Process) -> psutil.Process:
    """The process that runs are forked from."""
    (server,) = [child for child in sweep.children() if child.children()]
    return server


def test_a_killed_run_costs_itself_alone_and_the_sweep_goes_on(
    checkout: Checkout, store: Path
) -> None:
    grid = words(store, "optimizer=sgd,radam", "protocol.epochs=60", "seed=1,2")
    said = checkout.sweep("submit", *grid)
    assert "4 runs submitted" in said
    assert "Nothing to submit" in checkout.sweep("submit", *grid)
    sweep = next((store / "sweeps").glob("cifar10-*"))
    wait_until(lambda: "running" in checkout.sweep("status", sweep), "the runs have begun")
    wait_until(lambda: any(store.glob("cifar10/*/checkpoint-*.pt")), "a run is under way")
    workers(sweep)[0].kill()
    wait_until(lambda: (sweep / "results.csv").exists(), "the sweep has been collected")
    assert statuses(store) == ["completed"] * 3
    told = checkout.sweep("status", sweep)
    assert "3 completed" in told
    assert "1 killed" in told
    finished = {p: p.read_bytes() for p in store.glob("*/*/result.json")}
    checkout.sweep("retry", sweep)
    wait_until(lambda: statuses(store) == ["completed"] * 4, "the killed run is done")
    assert {p: p.read_bytes() for p in finished} == finished


def test_cancel_saves_every_run_and_submit_goes_on(checkout: Checkout, store: Path) -> None:
    grid = words(store, "optimizer=radam", "protocol.epochs=80", "seed=1,2,3")
    checkout.sweep("submit", *grid)
    sweep = next((store / "sweeps").glob("cifar10-*"))
    wait_until(lambda: len(with_checkpoint(store)) == 2, "two are under way")
    process, held = supervisor(sweep), workers(sweep)
    for worker in held:  # or they might be done before the command has begun
        worker.suspend()
    assert "3 runs cancelled" in checkout.sweep("cancel", sweep)
    for worker in held:
        worker.resume()
    wait_until(lambda: not process.is_running(), "the supervisor has ended")
    assert statuses(store) == ["interrupted"] * 2
    checkout.sweep("submit", *grid)
    wait_until(lambda: statuses(store) == ["completed"] * 3, "all are done")
    starts = [json.loads(p.read_text())["epochs"] for p in store.glob("*/*/result.json")]
    assert starts == [80] * 3


def test_ctrl_c_in_the_foreground_saves_every_run(checkout: Checkout, store: Path) -> None:
    """And runs are forked with torch imported, although an estimate was forked before them."""
    grid = words(store, "optimizer=radam", "protocol.epochs=4000", "seed=1,2")
    process = psutil.Popen(
        [checkout.python, "-m", "experiments.sweep", "run", *grid],
        cwd=checkout.path,
        env=checkout.environment,
        start_new_session=True,
    )
    wait_until(lambda: len(with_checkpoint(store)) == 2, "two are under way")
    assert any("libtorch" in file.path for file in fork_server(process).memory_maps())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(60) == 130
    assert statuses(store) == ["interrupted"] * 2


def test_a_stop_file_beside_a_run_stops_it(checkout: Checkout, store: Path) -> None:
    checkout.sweep("submit", *words(store, "protocol.epochs=4000"))
    wait_until(lambda: any(store.glob("cifar10/*/checkpoint-*.pt")), "the run is under way")
    (run,) = store.glob("cifar10/*")
    (run / "stop").touch()
    wait_until(lambda: statuses(store) == ["interrupted"], "the run has stopped")

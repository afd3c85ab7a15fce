"""What a plan knows: grids composed before, states of runs, how runs are put into jobs."""

from pathlib import Path

import pytest

from experiments.launch.grid import cached
from experiments.launch.launcher import SlurmLauncher, read_launcher
from experiments.launch.local import choose_slots
from experiments.launch.plan import make_plan
from experiments.launch.slurm import split
from experiments.launch.status import QueueEntry, read_queue, state
from experiments.launch.submission import new_submission, run_key, sweep_of
from experiments.tracking.run_folder import RunFolder
from tests.experiments.launch.conftest import SMOKE


@pytest.fixture
def grid(store: Path) -> list[str]:
    return [*SMOKE, f"runner.runs_dir={store}", "seed=1,2"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "radam" / "grids"


def test_a_grid_is_composed_once_for_the_same_overrides_and_configuration(
    grid: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached(grid)
    assert cached(grid, lambda _overrides: pytest.fail("composed again")) == first
    assert [c.run_id for c in cached([*grid, "seed=3"])] != [c.run_id for c in first]
    monkeypatch.setenv("RADAM_DATA", "/elsewhere")
    assert str(cached(grid)[0].runner.data_dir) == "/elsewhere"
    for damaged in cache.iterdir():
        damaged.write_text('{"half a')
    assert cached(grid)[0].run_id == first[0].run_id


def test_what_a_folder_says_of_its_run(grid: list[str], store: Path) -> None:
    config = make_plan(grid).configs[0]
    folder = RunFolder(config.folder)
    waiting = {run_key(config): QueueEntry("queued", "SLURM 1_0", "Resources")}

    assert state(folder, {}) == "missing"
    folder.write_config(config)  # submitting does that: nothing has begun
    assert state(folder, {}) == "missing"
    assert state(folder, waiting) == "queued"
    with folder.locked():
        assert state(folder, {}) == "running"
    (folder.path / "metrics.jsonl").write_text("")
    assert state(folder, {}) == "killed"
    assert not store.joinpath("sweeps").exists()


def test_a_submission_holds_its_runs_as_long_as_its_process_lives(
    grid: list[str], store: Path
) -> None:
    configs = make_plan(grid).configs
    keys = [run_key(c) for c in configs]
    sweep = sweep_of(configs, None)
    assert sweep_of(tuple(reversed(configs)), None) == sweep
    submission = new_submission(sweep, read_launcher([]), [[keys[0]]], {})
    assert submission.launcher == read_launcher([])
    assert read_queue(store) == {}
    with submission.held():
        assert list(read_queue(store)) == [keys[0]]
    assert read_queue(store) == {}


def test_arrays_are_split_where_slurm_says_and_jobs_shared_as_asked() -> None:
    launcher = read_launcher(["launcher=slurm", "launcher.runs_per_job=3"])
    assert isinstance(launcher, SlurmLauncher)
    runs = [f"cifar10/{i}" for i in range(2000)]
    arrays = split(runs, launcher, largest=500)
    assert [len(array) for array in arrays] == [500, 167]
    assert [run for array in arrays for member in array for run in member] == runs
    assert max(len(member) for array in arrays for member in array) == 3


@pytest.mark.parametrize(
    ("jobs", "runs", "slots"), [(3, 10, 3), (8, 2, 2), (1, 5, 1), (None, 1, 1)]
)
def test_slots_on_a_cpu(jobs: int | None, runs: int, slots: int) -> None:
    launcher = read_launcher([f"launcher.jobs={'null' if jobs is None else jobs}"])
    assert choose_slots(launcher, "cpu", runs) == ["cpu"] * slots

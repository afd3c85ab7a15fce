"""Bad input to a sweep: one clear line, exit code 2, nothing changed."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from experiments import sweep
from experiments.launch.grid import expand
from experiments.launch.snapshot import Code, take_snapshot
from experiments.launch.submission import sweep_of
from experiments.terminal.console import exit_on_user_error
from experiments.tracking.provenance import ROOT
from tests.experiments.launch.conftest import SMOKE, Checkout, wait_until


@pytest.fixture
def grid(store: Path) -> list[str]:
    return [*SMOKE, f"runner.runs_dir={store}"]


Refused = Callable[..., None]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """The words are refused with one line that has all ``parts``."""

    def check(words: Sequence[str], *parts: str) -> None:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left, exit_on_user_error():
            sweep.main(words)
        assert left.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert len(said.splitlines()) == 1, said
        for part in parts:
            assert part in said

    return check


MISTAKES = {
    "a grid of 0 runs": (["experiment=fig6_lr_robustness", "seed=range(1,1)"], ["0 runs"]),
    "an unknown launcher": (["launcher=slurmm"], ["launcher=slurmm", "did you mean slurm?"]),
    "an unknown launcher key": (["launcher=slurm", "launcher.gpu=1"], ["launcher.gpu"]),
    "a time": (["launcher=slurm", "launcher.time=soon"], ["launcher.time=soon", "4:00:00"]),
    "a directive": (["launcher=slurm", "launcher.directives=[qos]"], ["'qos'", "--qos=long"]),
    "no image": (["launcher.container=docker"], ["launcher.container=docker", "launcher.image"]),
    "pyxis without SLURM": (
        ["launcher.container=pyxis", "launcher.image=x"],
        ["launcher.container=pyxis", "launcher=slurm"],
    ),
    "shared jobs of many processes": (
        ["launcher=slurm", "launcher.runs_per_job=2", "launcher.nodes=2"],
        ["launcher.runs_per_job=2"],
    ),
    "a sweep's name": (["sweep=a/b"], ["sweep=a/b"]),
    "half a yes": (["allow_dirty=1"], ["allow_dirty=1", "true or false"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_nothing_changed(
    mistake: str, refused: Refused, grid: list[str], store: Path
) -> None:
    words, parts = MISTAKES[mistake]
    refused(["submit", *grid, *words], *parts)
    assert not store.exists()


def test_programs_that_are_not_there(
    refused: Refused, grid: list[str], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(["submit", *grid, "launcher=slurm"], "sbatch: not found", "launcher=local")
    container = ["launcher.container=apptainer", "launcher.image=x.sif"]
    refused(["submit", *grid, *container], "apptainer is not installed")
    assert not store.exists()


def test_a_folder_that_cannot_be_written(refused: Refused, grid: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = [f"runner.runs_dir={tmp_path}/file/runs", "allow_dirty=true"]
    refused(["submit", *grid, *words], f"{tmp_path}/file")
    assert (tmp_path / "file").read_text() == ""


def test_two_grids_in_one_sweep(refused: Refused, grid: list[str], store: Path) -> None:
    sweep_of(expand([*grid, "seed=1"]), "mine").write([], expand([*grid, "seed=1"]))
    held = (store / "sweeps/mine/sweep.json").read_bytes()
    words = ["submit", *grid, "sweep=mine", "seed=1,2", "allow_dirty=true"]
    refused(words, "holds another grid (1 runs; these words make 2", "sweep=NAME")
    assert (store / "sweeps/mine/sweep.json").read_bytes() == held
    assert list(store.iterdir()) == [store / "sweeps"]


def test_no_such_sweep_run_or_option(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(["status"], "no sweep was submitted from here")
    refused(["status", "nowhere"], "nowhere: no such sweep")
    refused(["logs", "0123456789ab"], "0123456789ab: no such run")
    refused(["plan", "--watch"], "--watch: belongs to status")


def test_unknown_partition(refused: Refused, slurm: object, grid: list[str], store: Path) -> None:
    words = ["launcher=slurm", "launcher.partition=gpuu"]
    refused(["submit", *grid, *words], "sbatch", "invalid partition specified: gpuu")
    assert not store.exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_code_that_differs_from_its_commit(
    checkout: Checkout, grid: list[str], store: Path
) -> None:
    changed = checkout.path / "configs/optimizer/radam.yaml"
    before = changed.read_bytes()
    changed.write_bytes(before + b"# changed\n")
    try:
        said = checkout.sweep("submit", *grid, code=2)
        assert "configs/optimizer/radam.yaml" in said
        assert "allow_dirty" in said
        assert not store.exists()
        checkout.sweep("submit", *grid, "allow_dirty=true")
        wait_until(lambda: any(store.glob("*/*/result.json")), "the run is done")
    finally:
        changed.write_bytes(before)
    assert json.loads(next(store.glob("*/*/result.json")).read_text())["dirty"] is True


def test_without_git_the_code_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert take_snapshot(tmp_path, allow_dirty=False) == Code(ROOT, None, False)
    assert not list(tmp_path.iterdir())

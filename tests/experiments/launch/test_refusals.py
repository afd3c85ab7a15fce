"""Bad input to a sweep: one clear line, exit code 2, nothing changed."""

from pathlib import Path

import pytest

from experiments import sweep
from experiments.console import exit_on_user_error
from tests.experiments.launch.conftest import SMOKE, Checkout


@pytest.fixture
def grid(store: Path) -> list[str]:
    return [*SMOKE, f"runner.runs_dir={store}"]


def refused(said: str, *parts: str) -> None:
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    for part in parts:
        assert part in lines[0]


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
    mistake: str, grid: list[str], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, parts = MISTAKES[mistake]
    with pytest.raises(SystemExit) as left, exit_on_user_error():
        sweep.main(["submit", *grid, *words])
    assert left.value.code == 2
    refused(capsys.readouterr().err, *parts)
    assert not store.exists()


def test_no_sbatch(checkout: Checkout, grid: list[str], store: Path, tmp_path: Path) -> None:
    said = checkout.sweep("submit", *grid, "launcher=slurm", code=2, PATH=f"{tmp_path}")
    refused(said, "sbatch: not found", "launcher=local")
    assert not store.exists()


def test_no_engine(checkout: Checkout, grid: list[str], store: Path, tmp_path: Path) -> None:
    words = ["launcher.container=apptainer", "launcher.image=x.sif"]
    said = checkout.sweep("submit", *grid, *words, code=2, PATH=f"{tmp_path}")
    refused(said, "apptainer is not installed")
    assert not store.exists()


def test_a_folder_that_cannot_be_written(
    checkout: Checkout, grid: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    said = checkout.sweep("submit", *grid, f"runner.runs_dir={tmp_path}/file/runs", code=2)
    refused(said, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == ""


def test_two_grids_in_one_sweep(checkout: Checkout, grid: list[str], store: Path) -> None:
    checkout.sweep("submit", *grid, "sweep=mine")
    held = (store / "sweeps/mine/sweep.json").read_bytes()
    said = checkout.sweep("submit", *grid, "sweep=mine", "seed=1,2", code=2)
    refused(said, "holds another grid (1 runs; these words make 2", "sweep=NAME")
    assert (store / "sweeps/mine/sweep.json").read_bytes() == held


def test_code_that_differs_from_its_commit(
    checkout: Checkout, grid: list[str], store: Path
) -> None:
    changed = checkout.path / "configs/optimizer/radam.yaml"
    before = changed.read_bytes()
    changed.write_bytes(before + b"# changed\n")
    try:
        refused(
            checkout.sweep("submit", *grid, code=2), "configs/optimizer/radam.yaml", "allow_dirty"
        )
        assert not store.exists()
        checkout.sweep("submit", *grid, "allow_dirty=true")
    finally:
        changed.write_bytes(before)


def test_no_such_sweep_or_run(checkout: Checkout, tmp_path: Path) -> None:
    refused(checkout.sweep("status", "nowhere", code=2), "nowhere: no such sweep")
    refused(checkout.sweep("logs", "0123456789ab", code=2), "0123456789ab: no such runs")
    refused(checkout.sweep("plan", "--watch", code=2), "--watch")


def test_unknown_partition(checkout: Checkout, slurm: object, grid: list[str], store: Path) -> None:
    words = ["launcher=slurm", "launcher.partition=gpuu"]
    refused(checkout.sweep("submit", *grid, *words, code=2), "sbatch", "partition")
    assert not store.exists()

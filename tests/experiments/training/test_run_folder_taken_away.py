"""A run whose folder or records are taken away under it says so, and never ends as complete."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.tracking.names import CONFIG, METRICS, STOP
from experiments.tracking.records import read_records
from experiments.tracking.result import read_result
from experiments.tracking.run_folder import RunFolder
from experiments.training.run import run
from experiments.training.signals import StopRequest

UPDATES = 8


def config(store: Path, *more: str) -> RunConfig:
    words = [
        *("task=cifar10", "protocol=smoke", "task.dataset=standin", "optimizer=radam"),
        *("runner.device=cpu", f"runner.runs_dir={store}", "runner.threads=1"),
        *("runner.record_every=1", "tracking=local", *more),
    ]
    return resolve(compose(words))


def change_size(folder: Path, cut: int) -> None:
    os.truncate(folder / METRICS, (folder / METRICS).stat().st_size - cut)


def replace(folder: Path) -> None:
    """As an editor does it."""
    (folder / "edited").write_bytes((folder / METRICS).read_bytes())
    (folder / "edited").replace(folder / METRICS)


def move(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def move_and_begin_anew(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("moved"))
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("moved"), folder)


ACCIDENTS: dict[str, Callable[[Path], object]] = {
    "removed": shutil.rmtree,
    "moved": move,
    "moved and begun anew": move_and_begin_anew,
    "moved with the store": lambda folder: folder.parent.rename(folder.parent.with_name("other")),
    "records removed": lambda folder: (folder / METRICS).unlink(),
    "records emptied": lambda folder: (folder / METRICS).write_bytes(b""),
    "records cut": lambda folder: change_size(folder, 7),
    "records longer": lambda folder: change_size(folder, -7),
    "records edited": replace,
}


@pytest.mark.parametrize("accident", ACCIDENTS)
@pytest.mark.parametrize("every", [0, 3600])
def test_a_run_never_completes_without_its_folder_and_records(
    accident: str, every: int, tmp_path: Path
) -> None:
    at = random.Random(f"{accident} {every}").randint(1, UPDATES - 1)
    chosen = config(tmp_path / "runs", f"runner.checkpoint_seconds={every}")

    def happen(event: dict[str, Any]) -> None:
        if event["kind"] == "update" and event["update"] == at:
            ACCIDENTS[accident](chosen.folder)

    with pytest.raises(UserError) as ended:
        run(chosen, StopRequest(), [happen])
    assert "\n" not in str(ended.value)
    if accident.startswith("records"):
        result = read_result(chosen.folder)
        assert result is not None
        assert result.status == "failed"
        assert METRICS in str(result.error)
    else:
        assert str(chosen.folder) in str(ended.value)
        assert not list(tmp_path.glob("**/result.json"))
        assert chosen.folder.exists() == (accident == "moved and begun anew")


@pytest.mark.parametrize("bit", random.Random(3).sample(range(8 * 300), 6))
def test_records_that_are_others_than_the_checkpoints_are_noticed(bit: int, tmp_path: Path) -> None:
    stopped = config(tmp_path, "runner.stop_after=5", "runner.checkpoint_seconds=0")
    run(stopped, StopRequest(), [])
    path = stopped.folder / METRICS
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    with pytest.raises(UserError, match="records are lost"):
        run(config(tmp_path), StopRequest(), [])
    assert path.read_bytes() == data


def test_the_last_record_alone_is_done_again(tmp_path: Path) -> None:
    """The checkpoint before agrees with the rest."""
    stopped = config(tmp_path, "runner.stop_after=5", "runner.checkpoint_seconds=0")
    run(stopped, StopRequest(), [])
    path = stopped.folder / METRICS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"5", b"6")]))
    result = run(config(tmp_path), StopRequest(), [])
    assert result.status == "completed"
    assert "goes on from update 4" in result.damage
    updates = [record["update"] for record in read_records(stopped.folder, "train")]
    assert updates == list(range(1, UPDATES + 1))


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("seed: 0", "seed: 7"),
        lambda text: text.replace("dataset: standin", "dataset: auto"),
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "- 1",
        lambda _: "a: [",
        lambda _: "\0",
    ],
)
def test_a_configuration_that_was_changed_is_not_carried_out(
    edit: Callable[[str], str], tmp_path: Path
) -> None:
    chosen = config(tmp_path, "seed=0")
    RunFolder(chosen.folder).write_config(chosen)
    path = chosen.folder / CONFIG
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    with pytest.raises(UserError, match=CONFIG) as refusal:
        _ = RunFolder(chosen.folder).config
    assert "\n" not in str(refusal.value)


def test_the_configuration_in_a_folder_is_of_where_it_lies_now(tmp_path: Path) -> None:
    chosen = config(tmp_path / "one")
    RunFolder(chosen.folder).write_config(chosen)
    (tmp_path / "one").rename(tmp_path / "other")
    moved = tmp_path / "other" / chosen.folder.relative_to(tmp_path / "one")
    assert RunFolder(moved).config.folder == moved


def test_a_file_stops_a_run(tmp_path: Path) -> None:
    chosen = config(tmp_path)

    def ask(event: dict[str, Any]) -> None:
        if event["kind"] == "update":
            (chosen.folder / STOP).touch()

    stop = StopRequest()
    assert run(chosen, stop, [ask]).status == "interrupted"
    assert stop.exit_code == 75

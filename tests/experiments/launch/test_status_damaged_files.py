"""A file that cannot be read costs the run that it is of, and is named; the others are shown."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import report, sweep
from experiments.analysis.dashboard.started import with_started
from experiments.errors import UserError
from experiments.launch.launcher import read_launcher
from experiments.launch.plan import make_plan
from experiments.launch.submission import find_sweep, new_submission, sweep_of
from experiments.terminal.console import console, note
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.store import read_results
from experiments.training.run import run
from experiments.training.signals import StopRequest
from tests.experiments.launch.conftest import SMOKE

GARBAGE = b'\xff\xfe\0{"[/x]": '


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage": lambda path: path.write_bytes(GARBAGE + path.read_bytes()),
    "other JSON": lambda path: path.write_bytes(b"[1]\n"),
    "a folder": folder_instead,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three complete runs of one sweep."""
    store = tmp_path_factory.mktemp("store")
    words = [*SMOKE, f"runner.runs_dir={store}", "seed=1,2,3"]
    configs = make_plan(words).configs
    for config in configs:
        assert run(config, StopRequest(), []).status == "completed"
    made = sweep_of(configs, None)
    made.write(words, configs)
    new_submission(made, read_launcher([]), [["cifar10/none"]], {})
    return store


@pytest.fixture
def store(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(console, "width", 400)
    note.cache_clear()
    return Path(shutil.copytree(finished, tmp_path / "runs"))


def look(what: str, store: Path, out: Path) -> None:
    grid = [*SMOKE, f"runner.runs_dir={store}", "seed=1,2,3"]
    if what in ("table", "claims", "dashboard", "figures"):
        report.main([what, "--runs", str(store), "--out", str(out)])
    else:
        sweep.main([what, *(grid if what == "plan" else [str(next(store.glob("sweeps/*")))])])


def a_run(store: Path) -> Path:
    return sorted(store.glob("cifar10/*"))[1]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_hides_no_other(
    damage: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_run(store) / "result.json"
    DAMAGES[damage](path)
    for what in ("plan", "status", "table", "claims", "dashboard"):
        note.cache_clear()
        look(what, store, tmp_path / "out")
        said = capsys.readouterr()
        assert str(path) in said.out, (what, said)
        assert not said.err, (what, said)
        if what in ("plan", "status"):
            assert "2 completed, 1 damaged" in said.out
    shown = with_started(read_results(store, tell=note), store)
    assert shown.sort("status")["status"].to_list() == ["completed", "completed", "damaged"]


def test_a_damaged_result_is_not_written_over(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_run(store) / "result.json"
    path.write_bytes(GARBAGE)
    grid = [*SMOKE, f"runner.runs_dir={store}", "seed=1,2,3"]
    assert sweep.main(["submit", *grid, "allow_dirty=true"]) == 0
    assert sweep.main(["retry", str(next(store.glob("sweeps/*"))), "allow_dirty=true"]) == 0
    assert "Nothing to submit" in capsys.readouterr().out
    assert path.read_bytes() == GARBAGE


@pytest.mark.slow
def test_collect_leaves_out_what_cannot_be_read(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (a_run(store) / "result.json").write_bytes(b"")
    (a_run(store) / "config.yaml").write_bytes(GARBAGE)
    look("collect", store, store)
    assert "2 results" in capsys.readouterr().out


def test_a_copy_of_a_run_is_not_another_run(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look("table", store, tmp_path)
    before = capsys.readouterr().out
    shutil.copytree(a_run(store), a_run(store).with_name("before-the-weekend"))
    look("table", store, tmp_path)
    after = capsys.readouterr().out
    assert "before-the-weekend" in after
    assert after.splitlines()[1:] == before.splitlines()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["metrics.jsonl", "config.yaml", "data.json"])
def test_other_damaged_files_cost_no_more(
    file: str, damage: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[damage](a_run(store) / file)
    for what in ("plan", "status", "table", "claims", "dashboard"):
        look(what, store, tmp_path / "out")
        if what in ("plan", "status"):
            assert "3 completed" in capsys.readouterr().out


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["sweep.json", "*/submission.json", "*/members.txt"])
def test_a_sweeps_damaged_files_are_named(
    file: str,
    damage: str,
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And cost no other sweep."""
    (path,) = store.glob(f"sweeps/*/{file}")
    DAMAGES[damage](path)
    made = find_sweep(store, None)
    said = ""
    for read in (
        lambda: made.runs,
        lambda: [submission.launcher for submission in made.submissions],
        lambda: [submission.members for submission in made.submissions],
    ):
        try:
            read()
        except UserError as error:
            said += f"{error}\n"
    assert all(str(path) in line for line in said.splitlines())
    words = [*SMOKE, f"runner.runs_dir={store}", "seed=1,2"]
    (held,) = made.submissions or [None]
    if held is None:
        return
    with held.held():
        sweep.main(["plan", *words])
    assert "2 completed" in capsys.readouterr().out


def test_a_run_folder_that_is_a_file_costs_itself_alone(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(a_run(store))
    a_run_file = sorted(store.glob("cifar10/*"))[0].with_name("notes.txt")
    a_run_file.write_text("a note of mine")
    look("status", store, store)
    assert "1 missing" in capsys.readouterr().out
    assert RunFolder(a_run_file).result is None

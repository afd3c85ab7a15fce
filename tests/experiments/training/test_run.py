"""A run reads the data that it began with: others under the same configuration are told."""

import random
from pathlib import Path

import pytest

from experiments.analysis.cells import sections
from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.launch.plan import make_plan
from experiments.tasks.translation import bpe, iwslt14
from experiments.tracking.result import RunResult
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.store import read_results
from experiments.training.run import record_failure, run
from experiments.training.signals import StopRequest

WORDS = ["der", "die", "das", "haus", "baum", "geht", "steht", "im", "am", "rot"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with IWSLT'14's layout: the same words, and half of one text."""
    rng = random.Random(1)
    lines = [" ".join(rng.choices(WORDS, k=6)) for _ in range(300)]
    codes = bpe.learn(lines, 12)
    encode = bpe.encoder(codes)
    for name, size in (("a", 240), ("b", 120)):
        folder = tmp_path / name / iwslt14.FOLDER
        folder.mkdir(parents=True)
        (folder / "code").write_text(codes)
        parts = {"train": lines[:size], "valid": lines[240:270], "test": lines[270:]}
        for split, part in parts.items():
            for language, step in (("de", 1), ("en", -1)):
                text = (encode(" ".join(line.split()[::step])) for line in part)
                (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in text))
    return tmp_path / "a", tmp_path / "b"


def words(place: Path, runs: str = "runs") -> list[str]:
    return [
        *("task=iwslt14_de_en", "protocol=smoke", "task.dataset=real", "task.merges=12"),
        *("task.train_examples=null", "task.validation_examples=8", "task.test_examples=8"),
        *("tracking=local", "runner.device=cpu", "runner.threads=1", "protocol.updates=4"),
        *(f"runner.data_dir={place}", f"runner.runs_dir={place.parent / runs}"),
    ]


def carry_out(place: Path, *more: str, runs: str = "runs") -> tuple[RunConfig, RunResult]:
    config = resolve(compose([*words(place, runs), *more]))
    return config, run(config, StopRequest(), [])


@pytest.mark.parametrize("ending", ["interrupted", "completed"])
def test_a_run_is_not_gone_on_with_nor_handed_out_on_other_data(
    places: tuple[Path, Path], ending: str
) -> None:
    here, there = places
    config, result = carry_out(here, *(["runner.stop_after=2"] if ending == "interrupted" else []))
    assert result.status == ending
    before = {path: path.read_bytes() for path in config.folder.iterdir()}
    told = "this run reads other data .*240 training pairs.* RADAM_DATA"
    with pytest.raises(UserError, match=told) as refused:
        carry_out(there)
    assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match=told):
        make_plan(words(there))
    assert {path: path.read_bytes() for path in config.folder.iterdir()} == before
    assert make_plan(words(here)).states == (ending,)
    assert carry_out(here)[1].status == "completed"


def test_the_same_data_elsewhere_are_the_same(places: tuple[Path, Path], tmp_path: Path) -> None:
    here, _ = places
    config, _ = carry_out(here)
    moved = tmp_path / "moved"
    here.rename(moved)
    again, result = carry_out(moved)
    assert again.folder == config.folder
    assert result.status == "completed"


def test_runs_on_other_data_are_never_averaged(places: tuple[Path, Path], tmp_path: Path) -> None:
    """Of two stores put together, say: the report keeps them apart and says why."""
    for place, seed in zip(places, (1, 2), strict=True):
        carry_out(place, f"seed={seed}")
    found = sections(read_results(tmp_path / "runs"))
    assert [len(section.runs) for section in found] == [1, 1]
    assert all("data=" in section.title for section in found)


def test_a_finished_result_is_not_written_over_by_a_failure_to_begin(
    places: tuple[Path, Path],
) -> None:
    config, result = carry_out(places[0])
    record_failure(config, UserError("other data"))
    assert RunFolder(config.folder).result == result

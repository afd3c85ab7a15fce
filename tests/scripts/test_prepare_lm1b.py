"""The command that prepares One Billion Word, on a small benchmark in the official layout."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from experiments.config.compose import compose, settle_dataset
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.tasks.lm1b import published
from experiments.training.run import run
from experiments.training.signals import StopRequest
from scripts.prepare_lm1b import main


@pytest.fixture
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with three shards, and their checksums in place of the published ones."""
    generator, sums = np.random.default_rng(0), {}
    weights = 1 / np.arange(1, 2_001)
    for number in range(3):
        part = "heldout" if number == 2 else "training"
        name = f"{part}-monolingual.tokenized.shuffled/news.en-{number:05d}-of-00100"
        words = generator.choice(2_000, 30_000, p=weights / weights.sum()).astype(str)
        text = "\n".join(" ".join(words[i : i + 20]) for i in range(0, len(words), 20)) + "\n"
        path = tmp_path / published.FOLDERS[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sums[name] = hashlib.md5(text.encode()).hexdigest()
    monkeypatch.setattr(published, "checksums", lambda: sums)
    return tmp_path


def test_prepared_text_is_trained_on_as_real(benchmark: Path, capsys, tmp_path) -> None:
    words = [
        "task=lm1b", "protocol=smoke", "tracking=local", "runner.device=cpu", "runner.threads=1",
        f"runner.data_dir={benchmark}", f"runner.runs_dir={tmp_path / 'runs'}",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"not prepared .*scripts.prepare_lm1b --data-dir"):
        settle_dataset(resolve(compose(words)))
    assert main(["--data-dir", str(benchmark), "--jobs", "1"]) == 0
    assert "94,500 tokens" in capsys.readouterr().out
    assert main(["--data-dir", str(benchmark)]) == 0
    assert "prepared already" in capsys.readouterr().out
    config, _ = settle_dataset(resolve(compose(words)))
    assert config.task.dataset == "real"
    result = run(config, StopRequest(), [])
    assert (result.status, result.dataset) == ("completed", "real")
    assert result.origin.startswith("One Billion Word from")
    assert "STAND-IN" not in result.setting


def test_a_damaged_shard_is_named_and_mended(benchmark: Path) -> None:
    (shard, _) = sorted((benchmark / published.FOLDERS[0]).glob("training*/*"))
    good = shard.read_bytes()
    shard.write_bytes(good[:-100])
    with pytest.raises(UserError, match=f"{shard} is damaged: md5"):
        main(["--data-dir", str(benchmark), "--jobs", "1"])
    with pytest.raises(UserError, match="only partly prepared"):
        settle_dataset(resolve(compose(["task=lm1b", f"runner.data_dir={benchmark}"])))
    shard.write_bytes(good)
    assert main(["--data-dir", str(benchmark), "--jobs", "1"]) == 0


def test_no_data_is_an_error_unless_it_may_be_absent(tmp_path: Path, capsys) -> None:
    with pytest.raises(UserError, match=r"is not in .* --help says how to get it"):
        main(["--data-dir", str(tmp_path)])
    assert main(["--data-dir", str(tmp_path), "--if-present"]) == 0
    assert "nothing to prepare" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--least-count", "--jobs"])
def test_numbers_below_one_are_refused(option: str) -> None:
    with pytest.raises(UserError, match=f"{option}: 0: write a number of at least 1"):
        main([option, "0"])

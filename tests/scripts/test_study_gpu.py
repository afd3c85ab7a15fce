"""What `make study-gpu` would do, and what it says where it cannot."""

import json
from pathlib import Path

import pytest
import torch

from experiments.errors import UserError
from scripts import study_gpu
from scripts.study_gpu import PEAKS, main, read_benchmark, runs_of, sweeps


def test_one_seed_of_everything_comes_first() -> None:
    commands = sweeps("tf32", [1, 2, 3], 8)
    assert len(commands) == 8
    assert all(command[-1] == "launcher.jobs=8" for command in commands)
    assert ["seed=1" in command for command in commands] == [True] * 4 + [False] * 4
    assert all("seed=1,2,3" in command for command in commands[4:])
    assert len(sweeps("tf32", [1], None)) == 4


def test_a_run_that_experiments_share_is_counted_once() -> None:
    runs = runs_of("tf32", [1])
    # Figs. 6 and 7 share RAdam's four; Table 1's are among them; Table 3 has three of its own.
    assert len(runs) == 12 + 20 - 4 + 3
    assert {config.training.precision for config in runs.values()} == {"tf32"}


def test_dry_run_says_what_it_takes_and_from_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = tmp_path / "gpu.json"
    monkeypatch.setattr(study_gpu, "BENCHMARK", benchmark)
    main(["--dry-run", "--seeds", "1"])
    said = capsys.readouterr().out
    assert "31 with one seed" in said
    assert "64,124 updates of 128 images" in said
    assert "not measured" in said
    assert f"{PEAKS['tf32']:.3g}" in said
    speeds = [{"name": "captured", "runs": n, "images_per_second": 9e4 * n} for n in (1, 4)]
    benchmark.write_text(json.dumps({"precision": "tf32", "speeds": speeds}))
    main(["--dry-run", "--seeds", "1"])
    said = capsys.readouterr().out
    assert "not measured" not in said
    assert "360,000 images/s with 4 runs at once" in said
    assert read_benchmark("bf16") is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_without_a_gpu_it_says_so_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_gpu, "carry_out", lambda command: pytest.fail(f"started {command}"))
    with pytest.raises(UserError, match=r"needs a CUDA GPU.*DRY_RUN=1") as raised:
        main([])
    assert "\n" not in str(raised.value)


def test_seeds_are_numbers() -> None:
    with pytest.raises(UserError, match="--seeds all: write numbers"):
        main(["--seeds", "all"])

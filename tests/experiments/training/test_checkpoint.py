"""A damaged checkpoint is never trained on: it is named, and the one before it is used."""

import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.tracking.result import RunResult
from experiments.training.checkpoint import (
    PATTERN,
    Damaged,
    choose_checkpoint,
    random_state,
    read_whole,
    restore_random_state,
    save_checkpoint,
)
from experiments.training.run import run
from experiments.training.signals import StopRequest

CPU = torch.device("cpu")
FIRST, SECOND, LAST = 3, 5, 8


def config(store: Path, *more: str) -> RunConfig:
    """Eight updates on the stand-in, a checkpoint after each."""
    words = [
        *("task=cifar10", "protocol=smoke", "task.dataset=standin", "optimizer=radam"),
        *("runner.device=cpu", "runner.checkpoint_seconds=0", f"runner.runs_dir={store}"),
        *("runner.threads=1", "runner.record_every=1", "tracking=local", *more),
    ]
    return resolve(compose(words))


def carry_out(store: Path, *more: str) -> RunResult:
    return run(config(store, *more), StopRequest(), [])


def same(one: object, other: object) -> bool:
    """Whether two trees of tensors and plain values are the same, bit for bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def final(store: Path) -> dict[str, torch.Tensor]:
    (path,) = store.glob(f"*/*/{PATTERN}")
    found: dict[str, torch.Tensor] = read_whole(path, CPU)["model"]
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("undisturbed")
    assert carry_out(store).status == "completed"
    return store


def test_no_flipped_bit_is_read_as_another_value(tmp_path: Path) -> None:
    model = torch.nn.Linear(5, 3)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 5)).sum().backward()
    optimizer.step()
    state = {
        "progress": {"update": 1},
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parts": [random_state()],
        "metrics_bytes": 0,
    }
    save_checkpoint(tmp_path, 1, state)
    (path,) = tmp_path.glob(PATTERN)
    written, draw, refused = path.read_bytes(), random.Random(1), 0
    directory = 8 * (len(written) - 2000)  # the archive's, where torch looks least
    for number in range(300):
        bit = draw.randrange(directory if number % 2 else 0, 8 * len(written))
        damaged = bytearray(written)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert same(read_whole(path, CPU), state), f"bit {bit} went unnoticed"
        except Damaged:
            refused += 1
    assert refused > 150  # the others lie in padding


class Attack:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path.touch, (Path("attacked"),)  # type: ignore[return-value]


def zeroed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = bytes(4096)
    path.write_bytes(data)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a zeroed block": zeroed,
    "a folder": folder_instead,
    "text": lambda path: path.write_text("not a checkpoint"),
    "other contents": lambda path: torch.save({"weights": torch.ones(2)}, path),
    "a list": lambda path: torch.save([1, 2], path),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Attack())),
    "a pickle in an archive": lambda path: torch.save(Attack(), path),
}


@pytest.mark.parametrize("damage", ["empty", "a zeroed block", "a pickle in an archive"])
def test_the_checkpoint_before_a_damaged_one_is_used(
    damage: str,
    tmp_path: Path,
    undisturbed: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert carry_out(tmp_path, f"runner.stop_after={SECOND}").status == "interrupted"
    kept = sorted(tmp_path.glob(f"*/*/{PATTERN}"))
    assert [int(path.stem[-9:]) for path in kept] == [SECOND - 1, SECOND]
    DAMAGES[damage](kept[1])

    result = carry_out(tmp_path)
    assert result.status == "completed"
    for said in (capsys.readouterr().out, result.damage):
        assert str(kept[1]) in said
        assert f"goes on from update {SECOND - 1}" in said
        assert "weights_only" not in said
        assert len(said.strip().splitlines()) == 1
    assert same(final(tmp_path), final(undisturbed))
    assert not Path("attacked").exists()


def test_without_a_whole_checkpoint_a_run_is_refused(tmp_path: Path) -> None:
    carry_out(tmp_path, f"runner.stop_after={FIRST}")
    kept = {path: path.read_bytes() for path in tmp_path.glob(f"*/*/{PATTERN}")}
    for damage, do in DAMAGES.items():
        for path, data in kept.items():
            path.write_bytes(data)
            do(path)
        with pytest.raises(UserError) as refusal:
            carry_out(tmp_path)
        for path in kept:
            assert str(path) in str(refusal.value), damage
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert "weights_only" not in str(refusal.value), damage
        assert "\n" not in str(refusal.value), damage


def test_a_checkpoint_of_another_model_is_refused_in_one_line(tmp_path: Path) -> None:
    stopped = f"runner.stop_after={FIRST}"
    carry_out(tmp_path / "one", stopped)
    carry_out(tmp_path / "other", stopped, "task.widths=[2,4,8]")
    (one,) = (tmp_path / "one").glob("*/*")
    (other,) = (tmp_path / "other").glob("*/*")
    for path in other.glob(PATTERN):
        path.replace(one / path.name)
    (other / "metrics.jsonl").replace(one / "metrics.jsonl")
    with pytest.raises(UserError, match="of another model") as refusal:
        carry_out(tmp_path / "one")
    assert "\n" not in str(refusal.value)


def test_a_checkpoint_that_counts_lost_records_is_passed_over(
    tmp_path: Path, undisturbed: Path
) -> None:
    """A node that goes down may leave a file shorter than it was."""
    carry_out(tmp_path, f"runner.stop_after={SECOND}")
    (metrics,) = tmp_path.glob("*/*/metrics.jsonl")
    data = metrics.read_bytes()
    metrics.write_bytes(data[:-10])
    result = carry_out(tmp_path)
    assert result.status == "completed"
    assert "records are lost" in result.damage
    assert same(final(tmp_path), final(undisturbed))
    kept = [path.read_bytes() for path in (metrics, *undisturbed.glob("*/*/metrics.jsonl"))]
    assert len({data.count(b"\n") for data in kept}) == 1
    assert b"\0" not in kept[0]


def test_records_that_are_gone_altogether_end_the_run_in_one_line(tmp_path: Path) -> None:
    carry_out(tmp_path, f"runner.stop_after={SECOND}")
    (metrics,) = tmp_path.glob("*/*/metrics.jsonl")
    metrics.unlink()
    with pytest.raises(UserError, match="records are lost"):
        carry_out(tmp_path)


def test_a_complete_run_keeps_its_last_checkpoint_alone(tmp_path: Path) -> None:
    """Also when it was killed before it could tidy up: the next start does."""
    carry_out(tmp_path, "protocol.average_epochs=2")
    (folder,) = tmp_path.glob("*/*")
    left = {path.name for path in folder.iterdir()}
    assert {name for name in left if name.endswith(".pt")} == {f"checkpoint-{LAST:09d}.pt"}
    for name in (f"checkpoint-{FIRST:09d}.pt", "epoch-00001.pt", ".checkpoint-9.pt.a1b2c3d4"):
        (folder / name).write_bytes(b"left behind")
    assert carry_out(tmp_path, "protocol.average_epochs=2").status == "completed"
    assert {path.name for path in folder.iterdir()} == left


def test_temporary_files_of_a_killed_write_go_with_the_next_start(tmp_path: Path) -> None:
    carry_out(tmp_path, f"runner.stop_after={FIRST}")
    (folder,) = tmp_path.glob("*/*")
    for name in (".checkpoint-000000004.pt.a1b2c3d4", ".result.json.a1b2c3d4"):
        (folder / name).write_bytes(b"half")
    carry_out(tmp_path, f"runner.stop_after={SECOND}")
    assert not list(folder.glob(".*"))


def test_results_without_the_field_still_read(tmp_path: Path) -> None:
    result = carry_out(tmp_path)
    old = result.model_dump()
    del old["damage"]
    assert RunResult.model_validate(old) == result


def test_load_says_none_without_a_checkpoint(tmp_path: Path) -> None:
    assert choose_checkpoint(tmp_path) is None


def test_generators_of_gpus_that_are_not_here_are_left_alone() -> None:
    """A run may go on where fewer GPUs are visible."""
    state = random_state()
    expected = torch.rand(3)
    more = [torch.zeros(16, dtype=torch.uint8)] * (torch.cuda.device_count() + 2)
    restore_random_state({**state, "cuda": more})
    assert torch.equal(torch.rand(3), expected)

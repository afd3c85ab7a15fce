"""The ImageNet task: what it counts, what it resumes, what it says."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.config.compose import compose, settle_dataset
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.tracking.store import read_metrics
from experiments.training.run import build_task, prepare, run
from experiments.training.signals import StopRequest

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for the stand-in, rendered once."""
    return tmp_path_factory.mktemp("data")


def config_for(data: Path, runs: Path, *words: str) -> RunConfig:
    common = ["task=imagenet", "protocol=smoke", "task.dataset=standin", "runner.device=cpu"]
    where = [f"runner.data_dir={data}", f"runner.runs_dir={runs}", "runner.workers=0"]
    return settle_dataset(resolve(compose([*common, *where, *words])))[0]


def test_the_papers_protocol_is_the_papers() -> None:
    for name, rate in (("paper", 0.003), ("recipe", 0.005)):
        config = resolve(compose(["task=imagenet", f"protocol={name}", "task.dataset=real"]))
        assert (config.protocol.epochs, config.protocol.batch_size) == (90, 256)
        assert config.schedule.milestones == (31, 61)
        assert (config.task.crop, config.task.resize) == (224, 256)
        assert config.optimizer.options["weight_decay"] == 1e-4
        assert config.optimizer.lr == rate
        assert config.task.batches_per_epoch(config.protocol) == 5005


def test_sizes_are_told_before_the_data_are_read(data: Path, tmp_path: Path) -> None:
    for words in ([], ["protocol=mini"], ["task.classes=null", "task.train_per_class=null"]):
        config = config_for(data, tmp_path, *words)
        task = build_task(config, CPU)
        assert config.task.batches_per_epoch(config.protocol) == task.batches_per_epoch


def test_counts_are_of_every_test_picture_and_top5_holds_top1(data: Path, tmp_path: Path) -> None:
    task, step, _, _ = prepare(config_for(data, tmp_path, "task.classes=8"))
    with torch.no_grad():
        counts = {name: float(value) for name, value in task.evaluate(step.model, "test").items()}
    assert counts["count"] == 8 * 5 == task.held_out_examples
    found = task.metrics(counts)
    assert 0 <= found["accuracy"] <= found["accuracy_top5"] <= 100
    assert task.metric.chance == 100 / 8


def test_top5_is_counted_against_the_labels(data: Path, tmp_path: Path) -> None:
    task = build_task(config_for(data, tmp_path, "task.classes=8"), CPU)
    batch = next(iter(task.batches(0)))
    for place in range(8):  # the right class at each place of the ranking
        logits = torch.arange(8.0).flip(0).repeat(len(batch.labels), 1)
        rows = torch.arange(len(batch.labels))
        shown = logits.clone()
        shown[rows, batch.labels], shown[:, place] = logits[:, place], logits[rows, batch.labels]
        _, counts = task.loss(lambda _, shown=shown: shown, batch)
        hits = (shown.argsort(dim=1, descending=True) == batch.labels[:, None]).int()
        assert counts["correct"] == hits[:, 0].sum()
        assert counts["correct_top5"] == hits[:, :5].sum()


def test_inputs_are_normalised_as_the_paper_does(data: Path, tmp_path: Path) -> None:
    from torchvision.transforms.functional import normalize

    task: Any = build_task(config_for(data, tmp_path), CPU)
    pixels = next(iter(task.batches(0))).pixels
    expected = normalize(pixels.float() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert torch.allclose(task.normalise(pixels), expected, atol=1e-6)


def state_of(config: RunConfig) -> dict[str, torch.Tensor]:
    (path,) = config.folder.glob("checkpoint-*.pt")
    return torch.load(path, weights_only=True)["model"]


@pytest.mark.parametrize("workers", [0, 2])
def test_stopped_in_mid_epoch_it_goes_on_bit_for_bit(
    workers: int, data: Path, tmp_path: Path
) -> None:
    words = ["runner.checkpoint_seconds=0", f"runner.workers={workers}", "runner.threads=1"]
    undisturbed = config_for(data, tmp_path / "undisturbed", *words)
    assert run(undisturbed, StopRequest(), []).updates == 6
    disturbed = config_for(data, tmp_path / "disturbed", *words)
    for update in (1, 2, 4):  # of 3 an epoch
        stop = StopRequest()

        def ask(event: dict[str, Any], stop: StopRequest = stop, update: int = update) -> None:
            if event["kind"] == "update" and event["update"] == update:
                stop.signal = 15

        result = run(disturbed, stop, [ask])
        assert (result.status, result.updates) == ("interrupted", update)
    result = run(disturbed, StopRequest(), [])
    assert result.status == "completed"
    one, other = state_of(undisturbed), state_of(disturbed)
    assert all(torch.equal(one[name], other[name]) for name in one)
    columns = ["kind", "update", "loss", "accuracy", "accuracy_top5"]
    a, b = (read_metrics(c.folder).select(columns) for c in (undisturbed, disturbed))
    assert a.equals(b)


def test_training_accuracy_stands_in_the_last_training_record(data: Path, tmp_path: Path) -> None:
    config = config_for(data, tmp_path)
    result = run(config, StopRequest(), [])
    records = read_metrics(config.folder)
    last = records.filter(records["kind"] == "train").row(-1, named=True)
    assert last["epoch"] == 2
    assert 0 <= last["accuracy"] <= 100  # what C09 compares
    assert result.skipped == 0
    assert result.chance == 25
    assert "STAND-IN" in result.origin


def test_a_damaged_picture_is_left_out_and_counted_in_the_result(tmp_path: Path) -> None:
    words = ["task.damaged=skip", "task.train_per_class=4", "protocol.batch_size=8"]
    config = config_for(tmp_path / "data", tmp_path, *words)
    build_task(config, CPU)  # renders
    path = next((tmp_path / "data" / "imagenet-standin" / "train" / "digit-1").iterdir())
    first = min(path.parent.iterdir())
    first.write_bytes(first.read_bytes()[:300])
    result = run(config, StopRequest(), [])
    assert result.status == "completed"
    assert result.skipped == 1
    assert f"RADAM_DATA/{first.relative_to(tmp_path / 'data')}" in result.origin


def test_dali_is_imported_only_when_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(name.startswith("nvidia.dali") for name in sys.modules)
    monkeypatch.setitem(sys.modules, "nvidia.dali", None)  # as where it is not installed
    monkeypatch.delitem(sys.modules, "experiments.tasks.imagenet.dali", raising=False)
    with pytest.raises(UserError, match=r"task.loader=dali: needs NVIDIA DALI; pip install"):
        build_task(config_for(data, tmp_path, "task.loader=dali"), CPU)


def test_dali_shows_the_same(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed")
    ours = build_task(config_for(data, tmp_path), CPU)
    theirs = build_task(config_for(data, tmp_path, "task.loader=dali"), CPU)
    for a, b in zip(ours.batches(1, skip=1), theirs.batches(1, skip=1), strict=True):
        assert torch.equal(a.labels, b.labels)
        assert (a.pixels.int() - b.pixels.int()).abs().max() <= 2


MISTAKES = {
    "crop larger than the test's": (["task.crop=40"], "task.resize=36: smaller than the crop"),
    "more than a class has": (["task.train_per_class=1301"], "task.train_per_class=1301"),
    "batch larger than the data": (["protocol.batch_size=64"], "larger than the 48 training"),
    "no such choice": (["task.damaged=ignore"], "task.damaged=ignore"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake: str, data: Path, tmp_path: Path) -> None:
    words, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=message):
        build_task(config_for(data, tmp_path, *words), CPU)

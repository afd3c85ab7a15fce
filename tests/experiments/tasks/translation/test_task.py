"""Runs of the translation task under the loop, on the stand-in."""

import json
import signal

import pytest
import torch

from experiments.errors import UserError
from experiments.tasks.translation.config import TRANSLATIONS
from experiments.tasks.translation.parallel_text import PairOfFiles
from experiments.training.run import build_task, run
from experiments.training.signals import StopRequest
from tests.experiments.tasks.translation.conftest import configuration

pytestmark = pytest.mark.usefixtures("fairseq", "small_stand_in")
CPU = torch.device("cpu")

RUN = ("optimizer=radam", "optimizer.lr=0.01", "task.dropout=0.1", "protocol.batch_size=800")


def carry_out(folder, *words, stop_after=None):
    config = configuration(*RUN, f"runner.runs_dir={folder}", *words)
    stop = StopRequest()

    def watch(event):
        if event["kind"] == "update" and event["update"] == stop_after:
            stop.signal = signal.SIGTERM

    return config, run(config, stop, [watch])


def records(config, kind):
    lines = (config.folder / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["kind"] == kind]


def model(config):
    (path,) = config.folder.glob("checkpoint-*.pt")
    return torch.load(path, weights_only=True)["model"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    config, result = carry_out(tmp_path_factory.mktemp("whole"), "protocol.updates=30")
    assert result.status == "completed"
    return config, result


def test_validation_every_epoch_and_the_test_at_the_end(whole):
    config, result = whole
    evaluations = records(config, "eval")
    epochs = [r for r in evaluations if r["split"] == "validation"]
    assert len(epochs) >= 3
    assert all(set(r) >= {"loss", "perplexity", "bleu"} for r in epochs)
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    (test,) = [r for r in evaluations if r["split"] == "test"]
    assert test["update"] == result.updates == 30
    assert (result.metric, result.final) == ("bleu", test["bleu"])
    assert "sacrebleu" in test


def test_the_translations_are_kept_in_the_test_sets_order(whole):
    config, _ = whole
    task = build_task(config, CPU)
    lines = [json.loads(line) for line in (config.folder / TRANSLATIONS).read_text().splitlines()]
    text = PairOfFiles(*(task.prepared.folder / f"test.{la}" for la in task.languages))
    kept = [pair for pair in text if pair in set(task.references["test"])]
    assert len(lines) == config.task.test_examples
    assert [(line["source"], line["reference"]) for line in lines] == kept[: len(lines)]
    assert any(line["translation"] for line in lines)


def test_the_test_sees_the_average_and_nothing_of_it_stays(whole, tmp_path):
    assert not list(whole[0].folder.glob("epoch-*"))
    config, _ = carry_out(tmp_path, "protocol.updates=30", "protocol.average_epochs=0")
    losses = [next(r["loss"] for r in records(c, "eval") if r["split"] == "test")
              for c in (config, whole[0])]  # fmt: skip
    assert losses[0] != losses[1]
    torch.testing.assert_close(model(config), model(whole[0]), rtol=0, atol=0)


@pytest.mark.parametrize("stop_after", [3, 17])
def test_stopped_in_an_epoch_and_resumed_it_ends_the_same(whole, tmp_path, stop_after):
    config, result = carry_out(tmp_path, "protocol.updates=30", stop_after=stop_after)
    assert (result.status, result.updates) == ("interrupted", stop_after)
    config, result = carry_out(tmp_path, "protocol.updates=30")
    torch.testing.assert_close(model(config), model(whole[0]), rtol=0, atol=0)
    assert (result.status, result.final) == ("completed", whole[1].final)
    texts = [(c.folder / TRANSLATIONS).read_text() for c in (config, whole[0])]
    assert texts[0] == texts[1]


def test_bf16_and_accumulation_train(tmp_path):
    words = ("protocol.updates=4", "training.precision=bf16", "training.accumulate=2")
    config, result = carry_out(tmp_path, *words)
    assert result.status == "completed"
    assert records(config, "eval")[-1]["loss"] < 8


def test_a_rate_that_diverges_is_a_result(tmp_path):
    _, result = carry_out(tmp_path, "optimizer.lr=1e30", "task.layers=2")
    assert result.status == "diverged"
    assert result.final is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["protocol.batch_size=20"], "protocol.batch_size=20: fewer tokens than the longest"),
        (["task.longest=1"], "task.longest=1: no pair of train is that short"),
        (["task.share_embeddings=all"], "task.share_embeddings=all: the languages have"),
    ],
)
def test_what_does_not_fit_the_data_is_named(words, told):
    with pytest.raises(UserError, match=told):
        build_task(configuration(*words), CPU)


def test_heads_must_divide_the_width():
    with pytest.raises(UserError, match=r"task\.heads=3: must divide task\.width=16"):
        configuration("task.heads=3")


def test_without_data_the_stand_in_is_taken_and_real_refused(tmp_path):
    words = (f"runner.data_dir={tmp_path}",)
    config = configuration("task.dataset=auto", *words)
    settled, why = config.task.locate(tmp_path)
    assert settled.dataset == "standin"
    assert "de-en.tgz" in why
    with pytest.raises(UserError, match=r"iwslt14 is not in .*RADAM_DATA.*DATASET=standin"):
        config.task.model_copy(update={"dataset": "real"}).locate(tmp_path)


def test_the_parts_of_several_processes_are_the_whole(whole, monkeypatch):
    from experiments import ranks as processes
    from experiments.tasks.task import add_counts, read_counts

    config, _ = whole
    task = build_task(config, CPU)
    torch.manual_seed(0)
    translator = task.build_model()
    size = 12  # more than some batch has sentences
    with torch.no_grad():
        expected = read_counts(task.evaluate(translator, "test"))
        total = {}
        for rank in range(size):
            monkeypatch.setattr(processes, "_place", processes.Place(rank=rank, world_size=size))
            part = build_task(config, CPU)
            add_counts(total, part.evaluate(translator, "test"))
    assert read_counts(total) == pytest.approx(expected)

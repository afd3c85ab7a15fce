"""The task: its figures, its promises to the loop, and what it refuses."""

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from experiments.config.compose import compose, settle_dataset
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.launch.grid import expand
from experiments.tasks.lm1b.streams import IGNORE
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.store import read_metrics
from experiments.training.run import build_step, build_task, run
from experiments.training.signals import StopRequest
from tests.experiments.conftest import ROOT, Command, environment

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def configured(data_dir: Path, tmp_path: Path):
    """A smoke run on the stand-in, with changes."""

    def configure(*words: str) -> RunConfig:
        places = [f"runner.data_dir={data_dir}", f"runner.runs_dir={tmp_path / 'runs'}"]
        fixed = ["task=lm1b", "protocol=smoke", "task.dataset=standin", "runner.device=cpu"]
        return resolve(compose([*fixed, "tracking=local", "runner.threads=1", *places, *words]))

    return configure


def checkpoint(folder: Path) -> dict:
    (path,) = folder.glob("checkpoint-*.pt")
    return torch.load(path, weights_only=True)


def test_perplexity_is_that_of_the_full_matrix(configured) -> None:
    task, step = build_step(configured("optimizer=radam", "task.held_out_tokens=777"), CPU)
    held_out, model = task.held_out["test"], step.model
    nll, tokens = 0.0, 0
    with torch.no_grad():
        counts = task.evaluate(model, "test")
        for stream in range(held_out.inputs.shape[1]):
            features = model.embedding(held_out.inputs[:, [stream]])
            for lstm in model.layers:
                features, _ = lstm(features)
            log_p = model.softmax.log_prob(features[:, 0]).double()
            for row, target in enumerate(held_out.targets[:, stream].tolist()):
                if target != IGNORE:
                    nll -= float(log_p[row, target])
                    tokens += 1
    assert tokens == 777
    metrics = task.metrics({name: float(value) for name, value in counts.items()})
    assert metrics["perplexity"] == pytest.approx(math.exp(nll / tokens), rel=1e-5)


def test_evaluation_in_other_windows_is_the_same_and_leaves_training_alone(configured) -> None:
    short, step = build_step(configured("optimizer=radam"), CPU)
    long = build_task(configured("optimizer=radam", "task.sequence=33"), CPU)
    batch = next(short.batches(0))
    short.loss(step.model, batch)
    before = [part.clone() for layer in short.state for part in layer]
    with torch.no_grad():
        one, other = (task.evaluate(step.model, "test") for task in (short, long))
    assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=1e-6)
    after = [part for layer in short.state for part in layer]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_loss_counts_are_sums_over_tokens(configured) -> None:
    task, step = build_step(configured("optimizer=radam"), CPU)
    loss, counts = task.loss(step.model, next(task.batches(0)))
    assert int(counts["count"]) == 8 * 20
    assert float(counts["loss"]) == pytest.approx(float(loss.detach()) * 160, rel=1e-6)


def test_epochs_follow_on_one_another_through_the_text(configured) -> None:
    task = build_task(configured(), CPU)
    epochs = [batch for epoch in range(3) for batch in task.batches(epoch)]
    assert len(epochs) == 18
    for expected, found in zip(epochs, task.training.batches(0), strict=False):
        assert torch.equal(expected.inputs, found.inputs)
    rest = list(task.batches(1, skip=4))
    assert len(rest) == 2
    assert torch.equal(rest[0].inputs, epochs[10].inputs)


def test_once_through_the_text_is_an_epoch_where_none_is_given(configured) -> None:
    task = build_task(configured("task.epoch_updates=null"), CPU)
    assert task.batches_per_epoch == task.training.windows_per_pass == len(list(task.batches(0)))


def test_chance_is_the_perplexity_of_word_frequencies(configured) -> None:
    config = configured("optimizer=radam", "protocol.epochs=4", "task.epoch_updates=20")
    task = build_task(config, CPU)
    assert task.metric.chance is not None
    assert 50 < task.metric.chance < task.sizes.words
    result = run(config, StopRequest(), [])
    assert (result.metric, result.direction) == ("perplexity", "min")
    assert result.chance == task.metric.chance
    assert "STAND-IN" in result.origin
    tests = read_metrics(config.folder)
    perplexities = tests.filter(tests["kind"] == "eval")["perplexity"].to_list()
    assert perplexities[-1] == result.final
    assert result.final < perplexities[0]


@pytest.mark.parametrize("stop_at", [1, 6, 9])
def test_stopped_and_resumed_is_bit_identical(configured, tmp_path: Path, stop_at: int) -> None:
    # The text gives 54 windows a pass: the streams begin anew within this run, and the state
    # goes on over the ends of epochs.
    words = ["optimizer=radam", "protocol.batch_size=64", "task.epoch_updates=6"]
    words += ["protocol.epochs=3"]
    straight = configured(*words, f"runner.runs_dir={tmp_path / 'straight'}")
    assert run(straight, StopRequest(), []).status == "completed"
    config, stop = configured(*words), StopRequest()

    def watch(event: dict) -> None:
        if event["kind"] == "update" and event["update"] == stop_at:
            stop.signal = 15

    assert run(config, stop, [watch]).status == "interrupted"
    resumed = run(config, StopRequest(), [])
    assert resumed.status == "completed"
    one, other = checkpoint(straight.folder), checkpoint(config.folder)
    for name, value in one["model"].items():
        assert torch.equal(value, other["model"][name]), name
    timeless = [read_metrics(c.folder).drop("seconds") for c in (straight, config)]
    assert timeless[0].equals(timeless[1])


def test_the_state_matters_to_what_comes_after(configured) -> None:
    """Else the tests of resuming would show nothing."""
    task, step = build_step(configured("optimizer=radam"), CPU)
    first, second = list(task.batches(0))[:2]
    assert not second.begins
    with torch.no_grad():
        task.loss(step.model, first)
        carried = float(task.loss(step.model, second)[0])
        task.load_state_dict({"lstm": None})
        fresh = float(task.loss(step.model, second)[0])
    assert carried != fresh


@pytest.mark.slow
def test_killed_in_mid_epoch_through_the_command_and_resumed_is_bit_identical(
    command: Command, tmp_path: Path
) -> None:
    words = [
        "task=lm1b", "protocol=smoke", "task.dataset=standin", "runner.device=cpu",
        "optimizer=radam", "protocol.epochs=4", "task.epoch_updates=7", "tracking=local",
        "runner.checkpoint_seconds=0", "runner.threads=1",
    ]  # fmt: skip
    straight = [*words, f"runner.runs_dir={tmp_path / 'straight'}"]
    done = command("experiments.train", *straight)
    assert done.returncode == 0, done.stderr
    killed = [*words, f"runner.runs_dir={tmp_path / 'killed'}"]
    for least in (3, 12):
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.train", *killed],
            cwd=ROOT,
            env={**environment(), "RADAM_DATA": str(tmp_path / "data")},
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            names = [p.stem for p in (tmp_path / "killed").glob("lm1b/*/checkpoint-*.pt")]
            if max((int(name.rpartition("-")[2]) for name in names), default=0) >= least:
                break
            time.sleep(0.001)
        process.kill()
        process.wait()
    done = command("experiments.train", *killed)
    assert done.returncode == 0, done.stderr
    (one,), (other,) = (
        list((tmp_path / name / "lm1b").iterdir()) for name in ("straight", "killed")
    )
    assert one.name == other.name
    expected, found = checkpoint(one)["model"], checkpoint(other)["model"]
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    assert read_metrics(one).drop("seconds").equals(read_metrics(other).drop("seconds"))


@pytest.mark.slow
def test_two_processes_agree_with_one(command: Command, tmp_path: Path) -> None:
    words = [
        "experiments.train", "task=lm1b", "protocol=smoke", "task.dataset=standin",
        "runner.device=cpu", "optimizer=radam", "task.dropout=0", "tracking=local",
        "runner.threads=1", "protocol.epochs=4",
    ]  # fmt: skip
    done = command(*words, f"runner.runs_dir={tmp_path / 'one'}")
    assert done.returncode == 0, done.stderr
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    done = command(*launcher, *words, f"runner.runs_dir={tmp_path / 'two'}")
    assert done.returncode == 0, done.stderr
    (one,), (two,) = (list((tmp_path / name / "lm1b").iterdir()) for name in ("one", "two"))
    expected, found = checkpoint(one)["model"], checkpoint(two)["model"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)
    alone, together = RunFolder(one).result, RunFolder(two).result
    assert alone is not None
    assert together is not None
    assert together.final == pytest.approx(alone.final, rel=1e-4)
    records = [read_metrics(folder) for folder in (one, two)]
    for column in ("update", "epoch", "kind"):
        assert records[0][column].to_list() == records[1][column].to_list()
    assert records[1]["loss"].to_list() == pytest.approx(records[0]["loss"].to_list(), rel=1e-4)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["task.sequence=0"], "task.sequence=0"),
        (["task.hidden=0"], "task.hidden=0"),
        (["task.hidden=8"], "too narrow for 2 tails"),
        (["task.cutoffs=[]"], "positive and ascending"),
        (["task.cutoffs=[400,100]"], "positive and ascending"),
        (["task.cutoffs=[100,1000]"], "must lie below the 1,000 words"),
        (["task.vocabulary=2"], "task.vocabulary=2"),
        (["task.dropout=1.0"], "task.dropout=1.0"),
        (["task.standin_text=ptb"], "task.standin_text=ptb"),
        (["task.dataset=real", "task.standin_text=europarlmin"], "no stand-in with"),
        (["task.least_count=0"], "task.least_count=0"),
    ],
)
def test_bad_configurations_are_refused(configured, words: list[str], complaint: str) -> None:
    with pytest.raises(UserError) as refused:
        configured(*words)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["task.vocabulary=90000", "task.cutoffs=[100,80000]"], "must lie below the 1,"),
        (["task.vocabulary=3", "task.cutoffs=[1,2]"], "leaves out <UNK> or </S>"),
        (["protocol.batch_size=4000"], "longer than every shard"),
    ],
)
def test_what_does_not_fit_the_text_is_refused(
    configured, words: list[str], complaint: str
) -> None:
    with pytest.raises(UserError) as refused:
        build_task(configured(*words), CPU)
    assert complaint in str(refused.value)


def test_a_model_that_does_not_fit_is_refused_before_it_is_built(configured) -> None:
    with pytest.raises(UserError, match=r"needs about .* GiB .* free"):
        build_task(configured("task.hidden=1048576"), CPU)


def test_the_papers_protocol_has_the_papers_sizes(configured) -> None:
    for protocol in ("paper", "recipe"):
        config = configured(f"protocol={protocol}")
        task, protocol_ = config.task, config.protocol
        assert (task.embedding, task.hidden, task.layers) == (300, 2048, 2)
        assert (task.cutoffs, task.sequence, task.dropout) == ((4_000, 40_000, 200_000), 20, 0.1)
        assert (protocol_.epochs, protocol_.batch_size) == (14, 128)
        assert (task.vocabulary, task.least_count, task.held_out_tokens) == (None, 4, None)
        assert (config.optimizer.lr, config.training.grad_clip) == (1e-3, 5.0)
        assert config.optimizer.options["weight_decay"] == 0
        assert config.schedule.milestones == (9,)


def test_words_that_ask_for_a_standin_name_it(configured, data_dir: Path) -> None:
    config, why = settle_dataset(configured("task.dataset=auto", f"runner.data_dir={data_dir}"))
    assert config.task.dataset == "standin"
    assert "not One Billion Word" in why
    assert "STAND-IN" in config.task.describe()


def test_experiments_have_the_runs_that_they_state() -> None:
    assert len(expand(["experiment=fig4_lm1b", "protocol=paper"])) == 10
    assert len(expand(["experiment=lm1b_lr_robustness", "protocol=mini"])) == 24
    assert len(expand(["experiment=reproduce_lm1b", "protocol=mini"])) == 24
    assert len(expand(["experiment=reproduce_lm1b", "protocol=paper"])) == 10

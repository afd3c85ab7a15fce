"""A run that cannot be recorded, or whose replays are wrong, goes on launched and says so.

What a GPU does when it records and replays is done here by carrying calls out again.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from experiments.errors import UserError
from experiments.training import cuda_graphs
from experiments.training import run as training_run
from experiments.training.run import build_step, run
from experiments.training.signals import StopRequest
from experiments.training.step import Step
from tests.experiments.training.noise import configure

pytestmark = pytest.mark.usefixtures("noise")


class Repeated:
    """A graph: a call that is carried out again, into what it returned when it was recorded."""

    def __init__(self, call: Callable[[], Any], result: Any) -> None:
        self.call, self.result, self.replays = call, result, 0

    def replay(self) -> None:
        self.replays += 1
        for kept, new in zip(tree_leaves(self.result), tree_leaves(self.call()), strict=True):
            kept.copy_(new)


class NoReading(TorchDispatchMode):
    """As where CUDA records: no value comes to the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Recorder:
    """Records on a CPU. The step whose calls are recorded is given afterwards."""

    def __init__(self) -> None:
        self.step: Step | None = None
        self.graphs: list[Repeated] = []

    def launch(self, call: Callable[[], Any]) -> Any:
        return call()

    def record(self, call: Callable[[], Any]) -> tuple[Repeated, Any]:
        assert self.step is not None
        changed = [tensor for group in self.step._changed() for tensor in group]
        before = [tensor.clone() for tensor in changed]
        with NoReading():
            result = call()
        for tensor, value in zip(changed, before, strict=True):
            tensor.data.copy_(value)
        self.graphs.append(Repeated(call, result))
        return self.graphs[-1], result


class Refusing(Recorder):
    """As CUDA does for a call that waits for the device."""

    def record(self, call: Callable[[], Any]) -> tuple[Repeated, Any]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")


class Exhausted(Recorder):
    def record(self, call: Callable[[], Any]) -> tuple[Repeated, Any]:
        raise torch.OutOfMemoryError("CUDA out of memory")


class Broken(Recorder):
    """Its replays begin and do not end."""

    def record(self, call: Callable[[], Any]) -> tuple[Repeated, Any]:
        graph, result = super().record(call)

        def replay() -> None:
            call()
            raise RuntimeError("an error of the device")

        graph.replay = replay  # type: ignore[method-assign]
        return graph, result


class Stale(Recorder):
    """Its replays do nothing, as with a graph of memory that has moved."""

    def record(self, call: Callable[[], Any]) -> tuple[Repeated, Any]:
        graph, result = super().record(call)
        graph.replay = lambda: None  # type: ignore[method-assign]
        return graph, result


class Wandering(Recorder):
    """Its replays put other numbers into the parameters."""

    def record(self, call: Callable[[], Any]) -> tuple[Repeated, Any]:
        graph, result = super().record(call)
        carry_out = graph.replay

        def replay() -> None:
            carry_out()
            assert self.step is not None
            with torch.no_grad():
                self.step.parameters[0].add_(1e-2)

        graph.replay = replay  # type: ignore[method-assign]
        return graph, result


FAULTS = {
    Refusing: "operation not permitted when stream is capturing",
    Exhausted: "out of memory",
    Broken: "an error of the device",
    Stale: "its first replay did not do what was launched",
    Wandering: "its first replay did not do what was launched",
}


@pytest.fixture
def recorded_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Recorder]], Recorder]:
    """Runs on the CPU can be captured, by a recorder of that kind."""

    def set_up(kind: type[Recorder]) -> Recorder:
        recorder = kind()

        class Watched(Step):
            def __init__(self, *words: Any, **options: Any) -> None:
                super().__init__(*words, **options)
                recorder.step = self

        monkeypatch.setattr(training_run, "is_captured", lambda config, _: config.runner.capture)
        monkeypatch.setattr(cuda_graphs, "recorder_of", lambda _: recorder)
        monkeypatch.setattr(training_run, "Step", Watched)
        return recorder

    return set_up


def losses(step: Step, updates: int = 12) -> list[float]:
    """Of updates in batches of two shapes and of tests in between."""
    batches = itertools.chain.from_iterable(step.task.batches(epoch) for epoch in itertools.count())
    found = []
    for update in range(1, updates + 1):
        found.append(step([next(batches)], 0.01 / update)[0].item())
        found.append(step.evaluate("test")["loss"].item())
        step.model.train()
    return found


OPTIMIZERS = ["radam", "adam_2k", "sgd"]


def step_of(optimizer: str, capture: str) -> Step:
    config = configure(f"optimizer={optimizer}", f"runner.capture={capture}")
    return build_step(config, torch.device("cpu"))[1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_recorded_right_is_replayed(
    optimizer: str, recorded_with: Callable[[type[Recorder]], Recorder]
) -> None:
    recorder = recorded_with(Recorder)
    step, launched = step_of(optimizer, "auto"), step_of(optimizer, "false")
    recorder.step = step
    assert losses(step) == losses(launched)
    assert step.captured
    assert step.trouble is None
    # A test, updates of 32 and of 6 images: of 12 calls, 8 and 4, each but the first three.
    assert [graph.replays for graph in recorder.graphs] == [9, 5, 1]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_cannot_be_captured_is_the_launched_one(
    fault: type[Recorder],
    recorded_with: Callable[[type[Recorder]], Recorder],
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorder = recorded_with(fault)
    step, launched = step_of("radam", "auto"), step_of("radam", "false")
    recorder.step = step
    assert losses(step) == losses(launched)
    assert not step.captured
    assert FAULTS[fault] in (step.trouble or "")
    for one, other in zip(step.parameters, launched.parameters, strict=True):
        assert torch.equal(one, other)
    said = capsys.readouterr().out
    assert said.count("note: this run goes on without CUDA graphs, more slowly") == 1


@pytest.mark.parametrize("fault", [Refusing, Stale])
def test_a_graph_that_is_insisted_on_is_an_error(
    fault: type[Recorder], recorded_with: Callable[[type[Recorder]], Recorder]
) -> None:
    recorded_with(fault)
    step = step_of("radam", "true")
    with pytest.raises(UserError, match=r"could not record.*runner.capture=false") as raised:
        losses(step)
    assert FAULTS[fault] in str(raised.value)


def test_a_result_says_why_its_run_was_not_captured(
    tmp_path: Path, recorded_with: Callable[[type[Recorder]], Recorder]
) -> None:
    recorded_with(Refusing)
    config = configure("protocol.epochs=4", f"runner.runs_dir={tmp_path}", "runner.device=cpu")
    result = run(config, StopRequest(), [])
    assert result.status == "completed"
    assert result.hardware["captured"] is False
    assert result.hardware["not_captured"] == FAULTS[Refusing].replace("\n", " ")


def test_a_run_that_diverges_is_not_taken_for_one_that_cannot_be_captured(
    tmp_path: Path, recorded_with: Callable[[type[Recorder]], Recorder]
) -> None:
    recorded_with(Recorder)
    words = ["optimizer=sgd", "optimizer.lr=1e38", "runner.device=cpu"]
    step = step_of("sgd", "auto")
    for batch in itertools.islice(step.task.batches(0), 1):
        for _ in range(6):
            step([batch], 1e38)
    assert step.captured
    config = configure(*words, f"runner.runs_dir={tmp_path}")
    assert run(config, StopRequest(), []).status == "diverged"

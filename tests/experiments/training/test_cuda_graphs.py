"""What a CUDA graph holds is the update that is launched without one, and waits for nothing.

Without a GPU: the same functions over the same buffers, launched one by one, also on a device
where tensors have no values to read. What needs a GPU is in ``test_cuda_graphs_on_gpu.py``.
"""

import copy
import itertools
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import radam
from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.ranks import Place
from experiments.tasks.cifar10.task import CropBatch
from experiments.training.cuda_graphs import Capture, Captured, is_captured
from experiments.training.run import build_step
from experiments.training.step import Step
from radam.zoo import ZOO
from tests.experiments.training.noise import configure
from tests.radam.stepping import ADAM_FAMILY

CPU, CUDA, NOWHERE = torch.device("cpu"), torch.device("cuda"), torch.device("meta")

FUSED = ["sgd"]  # one kernel, which the device without values does not have

pytestmark = pytest.mark.usefixtures("noise")


def batches_of(task: Any) -> Any:
    return itertools.chain.from_iterable(task.batches(epoch) for epoch in itertools.count())


def capturable_step(config: RunConfig, device: torch.device, capture: Capture | None) -> Step:
    """A step with the optimizer that a graph could hold, wherever it is."""
    _, plain = build_step(config, device)
    name, options = config.optimizer.name, config.optimizer.options
    options |= ZOO[name].captured(options) or {}
    optimizer = radam.make_optimizer(name, plain.model.parameters(), lr=1.0, **options)
    clip = config.training.grad_clip
    return Step(plain.task, plain.model, optimizer, nullcontext(), clip, capture=capture)


@pytest.mark.parametrize("name", [*FUSED, *ADAM_FAMILY])
def test_over_buffers_an_update_is_what_one_would_write_out(name: str) -> None:
    """Bit for bit, through batches of two shapes, changing rates and clipping."""
    config = configure(f"optimizer={name}", "training.grad_clip=1.0")
    step, own = (capturable_step(config, CPU, captured) for captured in (False, None))
    batches, own_batches = batches_of(step.task), batches_of(own.task)
    for update in range(1, 9):
        rate = torch.tensor(0.1 / update)
        loss, counts = step([next(batches)], float(rate))
        own.optimizer.zero_grad()
        expected, own_counts = own.task.loss(own.model, next(own_batches))
        expected.backward()
        nn.utils.clip_grad_norm_(own.model.parameters(), 1.0)
        for group in own.optimizer.param_groups:
            group["lr"] = rate
        own.optimizer.step()
        assert loss.item() == expected.item()
        assert counts == own_counts
    for p, q in zip(step.parameters, own.parameters, strict=True):
        assert torch.equal(p, q)
        assert p.grad is not None
        assert q.grad is not None
        assert torch.equal(p.grad, q.grad)  # which histograms read
    assert step.evaluate("test") == own.evaluate("test")


def test_buffers_stay_where_they_are_and_follow_the_batches() -> None:
    seen = []

    def double(batches: list[Any]) -> torch.Tensor:
        seen.append(batches[0].plan.data_ptr())
        return 2 * batches[0].plan

    captured = Captured("auto", CPU)
    for size, value in [(4, 1), (3, 2), (4, 3), (3, 4)]:
        batch = CropBatch(torch.full((4, size), value))
        assert captured("double", double, [batch]).tolist() == [[2 * value] * size] * 4
    assert seen[:2] == seen[2:]


class NoWaiting(TorchDispatchMode):
    """Refuses what the host would wait for: a copy between it and the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            tensors = [x for x in [*args, result] if isinstance(x, torch.Tensor)]
            assert len({x.device for x in tensors}) == 1, f"{func} between host and device"
        return result


@pytest.mark.parametrize("name", ADAM_FAMILY)
def test_an_update_and_an_evaluation_read_nothing(name: str) -> None:
    """On a device where tensors have no values; after the first update, which makes the state."""
    step = capturable_step(configure(f"optimizer={name}", "training.grad_clip=1.0"), NOWHERE, False)
    for group in step.optimizer.param_groups:
        group["lr"] = step.rate
    epoch = list(step.task.batches(0))
    step._update(epoch[:1])
    with NoWaiting():
        for batch in epoch:
            step._update([batch])
        step._evaluate("test")
        with pytest.raises(AssertionError, match="between host and device"):
            torch.ones(3).to(NOWHERE)
        with pytest.raises(RuntimeError):
            step.rate.item()


@pytest.mark.parametrize("captured", [None, False])
def test_a_checkpoint_goes_on_captured_or_not(captured: bool | None) -> None:
    """Two updates in one way, two in the other: as four in the one, up to rounding."""
    config = configure("optimizer=radam", "optimizer.lr=0.001")
    steps = [build_step(config, CPU)[1], capturable_step(config, CPU, capture=False)]
    begun, other = steps if captured is None else reversed(steps)
    batches = list(itertools.islice(batches_of(begun.task), 4))
    for batch in batches[:2]:
        begun([batch], 0.001)
    implementation = [group.get("capturable") for group in other.optimizer.param_groups]
    other.model.load_state_dict(begun.model.state_dict())
    other.load_optimizer(copy.deepcopy(begun.optimizer.state_dict()))
    assert [group["capturable"] for group in other.optimizer.param_groups] == implementation
    for batch in batches[2:]:
        losses = [step([batch], 0.001)[0].item() for step in (begun, other)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    steps_made = {float(state["step"]) for state in other.optimizer.state.values()}
    assert steps_made == {4.0}


@pytest.mark.parametrize(
    ("words", "device", "size", "obstacle"),
    [
        ([], CPU, 1, "this run is on cpu"),
        (["task=lm1b", "task.dataset=standin"], CUDA, 1, "inside an update of lm1b depend"),
        ([], CUDA, 2, "the 2 processes of this run wait for each other"),
        (["optimizer=adagrad"], CUDA, 1, "adagrad reads its update number"),
        (
            ["optimizer=radam_4step", "optimizer.first_updates=sgd_then_adam"],
            CUDA,
            1,
            "radam_4step reads its update number",
        ),
    ],
)
def test_what_cannot_be_captured_is_not_or_is_refused(
    words: list[str],
    device: torch.device,
    size: int,
    obstacle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("experiments.ranks._place", Place(0, size))
    for choice in ("auto", "false"):
        assert is_captured(configure(*words, f"runner.capture={choice}"), device) is None
    with pytest.raises(UserError, match=rf"runner.capture=true: .*{obstacle}.*runner.capture=auto"):
        is_captured(configure(*words, "runner.capture=true"), device)


def test_what_can_be_captured_is_unless_one_does_not_want_it() -> None:
    for choice, expected in (("auto", "auto"), ("true", True), ("false", False)):
        assert is_captured(configure(f"runner.capture={choice}"), CUDA) == expected


def test_it_is_no_part_of_a_runs_identity() -> None:
    ids = {configure(f"runner.capture={choice}").run_id for choice in ("auto", "true", "false")}
    assert len(ids) == 1

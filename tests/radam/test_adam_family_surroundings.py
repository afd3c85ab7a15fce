"""What a step leaves alone, and what it must not read: threads, memory, other kinds of tensors."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from radam import Adam, make_optimizer
from tests.radam.stepping import ADAM_FAMILY

PATHS = [{}, {"fused": True}, {"foreach": True}, {"foreach": False}, {"capturable": True}]
SHAPES = [(), (1,), (3,), (4, 3), (3, 4), (12,), (400, 3), (0, 3), (2, 2, 3)]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(ADAM_FAMILY),
    path=st.sampled_from(PATHS),
    before=st.sampled_from(SHAPES),
    after=st.sampled_from(SHAPES),
    stale=st.sampled_from(["gradient", "state"]),
    begun=st.booleans(),
)
def test_what_has_another_shape_is_an_error_and_nothing_is_counted(
    name, path, before, after, stale, begun
):
    """Parameters that have grown, with what was theirs before: no kernel may take their size."""
    p, other = (torch.nn.Parameter(torch.zeros(before)) for _ in range(2))
    optimizer = make_optimizer(name, [other, p], lr=0.1, **path)
    other.grad = p.grad = torch.ones(before)
    if begun or stale == "state":
        optimizer.step()
    p.data = torch.zeros(after)
    if stale == "state":
        p.grad = torch.ones(after)
    if before == after:
        optimizer.step()
        return
    steps = {q: float(own["step"]) for q, own in optimizer.state.items() if own}
    start = other.detach().clone()
    with pytest.raises(RuntimeError, match=r"has shape .*, but its parameter now has"):
        optimizer.step()
    assert torch.equal(other, start)
    assert (p == 0).all()
    counted = {q: float(own["step"]) for q, own in optimizer.state.items() if own}
    assert all(number == steps.get(q, 0) for q, number in counted.items())


def test_threads_that_start_during_a_step_have_the_number_that_was_set():
    """The step takes one thread for small tensors, and this must be nobody else's matter."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    seen: list[int] = []
    try:
        params = [torch.nn.Parameter(torch.randn(60_000)) for _ in range(60)]
        for p in params:
            p.grad = torch.randn(60_000)
        optimizer = Adam(params, 0.1)

        def start() -> None:
            for _ in range(40):
                worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
                worker.start()
                worker.join()

        starting = threading.Thread(target=start)
        starting.start()
        while starting.is_alive():
            optimizer.step()
        starting.join()
    finally:
        torch.set_num_threads(threads)
    assert seen == [2] * 40


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("name", ADAM_FAMILY)
def test_tensors_without_data_are_stepped(name, path):
    """As those do who plan memory: fake tensors, and such on the device meta."""
    fused = path.get("fused", False)
    with FakeTensorMode():
        layer = torch.nn.Linear(3, 4)
        optimizer = make_optimizer(name, layer.parameters(), lr=0.1, **path)
        for _ in range(7):
            optimizer.zero_grad()
            layer(torch.randn(2, 3)).sum().backward()
            optimizer.step()
        assert optimizer.state[layer.weight]["exp_avg"].shape == (4, 3)
    if fused:  # There is no such kernel for meta.
        return
    p = torch.nn.Parameter(torch.ones(3, device="meta"))
    optimizer = make_optimizer(name, [p], lr=0.1, **path)
    for _ in range(7):
        p.grad = torch.ones_like(p)
        optimizer.step()
    assert optimizer.state[p]["exp_avg"].is_meta
    if not path.get("capturable"):
        assert float(optimizer.state[p]["step"]) == 7


def test_averages_in_half_precision_do_not_drift():
    """Rounded once an update, also while only v learns; after each operation it would grow."""
    seen = []
    for dtype in (torch.float32, torch.bfloat16):
        generator = torch.Generator().manual_seed(1)
        p = torch.nn.Parameter(torch.zeros(200, dtype=dtype))
        optimizer = make_optimizer("adam_2k", [p], lr=0.01, freeze_updates=2000)
        for _ in range(2000):
            p.grad = torch.randn(200, generator=generator).to(dtype)
            optimizer.step()
        seen.append(optimizer.state[p]["exp_avg_sq"].float().mean().item())
    assert seen[0] == pytest.approx(1 - 0.999**2000, rel=0.05)
    # What is left is bfloat16's own: 0.999 v + 0.001 g² rounds to v unless g² is large.
    assert seen[1] == pytest.approx(seen[0], rel=0.25)

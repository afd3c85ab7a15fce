"""Every implementation of every optimizer against Algorithm 1, on drawn problems."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stepping import ADAM_FAMILY, generic_steps

from radam import capturable, make_optimizer

PATHS = {
    "chosen": {},
    "fused": {"fused": True},
    "foreach": {"foreach": True},
    "plain": {"foreach": False},
    "capturable": {"capturable": True},
}
TOLERANCES = {torch.float64: 1e-11, torch.float32: 2e-5}


def gradient(
    generator: torch.Generator, shape: tuple[int, ...], dtype: torch.dtype
) -> torch.Tensor:
    """Normal numbers, zeros, tiny and huge ones, in one tensor."""
    tiny = 1e-15 if dtype == torch.float32 else 1e-20  # Squared, still a normal number.
    normal = torch.randn(shape, generator=generator, dtype=torch.float64)
    exponent = torch.randint(0, 8, shape, generator=generator)
    scale = torch.tensor([1.0, 1.0, 1.0, 0.0, 1e-3, tiny, 1e6, 1e12], dtype=torch.float64)
    return (normal * scale[exponent]).to(dtype)


@st.composite
def problems(draw):
    name = draw(st.sampled_from(ADAM_FAMILY))
    options = {
        "betas": (
            draw(st.sampled_from([0.0, 0.5, 0.9])),
            draw(st.sampled_from([0.5, 0.9, 0.999, 0.9999])),
        ),
        "eps": draw(st.sampled_from([1e-10, 1e-8, 1e-4])),
        "weight_decay": draw(st.sampled_from([0.0, 1e-4, 0.1])),
        "epsilon": draw(st.sampled_from(["before", "after"])),
        "decoupled_weight_decay": draw(st.booleans()),
    }
    if name == "radam":
        options["threshold"] = draw(st.sampled_from([">4", ">=5", ">5"]))
        options["early"] = draw(st.sampled_from(["momentum", "skip", "adam"]))
    if name == "radam_4step":
        options["first_updates"] = draw(st.sampled_from(["rectified", "skip", "adam"]))
    if name == "adam_2k":
        options["freeze_updates"] = draw(st.integers(0, 6))
    shapes = draw(st.lists(st.lists(st.integers(0, 5), max_size=3).map(tuple), max_size=4))
    return {
        "name": name,
        "options": options,
        "shapes": [(3,), *shapes],
        "dtype": draw(st.sampled_from(list(TOLERANCES))),
        "lr": draw(st.sampled_from([0.0, 1e-3, 0.1])),
        "updates": draw(st.integers(1, 12)),
        "seed": draw(st.integers(0, 2**31)),
    }


def assert_follows_algorithm_1(problem, **path):
    generator = torch.Generator().manual_seed(problem["seed"])
    dtype, lr = problem["dtype"], problem["lr"]
    starts = [torch.randn(s, generator=generator, dtype=dtype) for s in problem["shapes"]]
    params = [torch.nn.Parameter(start.clone()) for start in starts]
    optimizer = make_optimizer(problem["name"], params, lr=lr, **problem["options"], **path)
    grads = [
        [gradient(generator, p.shape, dtype) for p in params] for _ in range(problem["updates"])
    ]
    expected = [
        list(generic_steps(problem["name"], start, own, lr, **problem["options"]))
        for start, own in zip(starts, zip(*grads, strict=True), strict=True)
    ]
    largest = [start.abs() for start in starts]
    for t, given_now in enumerate(grads):
        for p, g in zip(params, given_now, strict=True):
            p.grad = g.clone()
        optimizer.step()
        for number, (p, steps) in enumerate(zip(params, expected, strict=True)):
            # Rounding is relative to the largest value that an element has had.
            largest[number] = torch.maximum(largest[number], steps[t].abs())
            error = (p.detach() - steps[t]).abs()
            assert (error <= TOLERANCES[dtype] * (largest[number] + lr)).all()


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=50, deadline=None, derandomize=True)
@given(problem=problems())
def test_every_path_follows_algorithm_1(path, problem):
    assert_follows_algorithm_1(problem, **PATHS[path])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(problem=problems())
def test_tensor_rates_in_a_capturable_step(problem):
    """Not `lr` itself in the problem: a float64 tensor, as exact as the number."""
    tensor = torch.tensor(problem["lr"], dtype=torch.float64)
    paths = {"capturable": True}
    problem = {**problem, "options": {**problem["options"]}}
    generator = torch.Generator().manual_seed(problem["seed"])
    start = torch.randn(4, generator=generator, dtype=problem["dtype"])
    params = [torch.nn.Parameter(start.clone()) for _ in range(2)]
    optimizers = [
        make_optimizer(problem["name"], [p], lr=lr, **problem["options"], **paths)
        for p, lr in zip(params, (tensor, problem["lr"]), strict=True)
    ]
    for _ in range(problem["updates"]):
        g = gradient(generator, (4,), problem["dtype"])
        for p, optimizer in zip(params, optimizers, strict=True):
            p.grad = g.clone()
            optimizer.step()
    torch.testing.assert_close(params[0], params[1], rtol=0, atol=0)


def test_sgd_then_adam_follows_algorithm_1():
    problem = {
        "name": "radam_4step",
        "options": {"first_updates": "sgd_then_adam", "weight_decay": 0.1},
        "shapes": [(3,), (2, 2)],
        "dtype": torch.float64,
        "lr": 0.01,
        "updates": 12,
        "seed": 0,
    }
    for path in ("chosen", "fused", "foreach", "plain"):
        assert_follows_algorithm_1(problem, **PATHS[path])


@pytest.mark.parametrize("name", ADAM_FAMILY)
@pytest.mark.parametrize("path", PATHS)
def test_maximize_is_the_negative_gradient(name, path):
    torch.manual_seed(0)
    up = torch.nn.Parameter(torch.randn(5, dtype=torch.float64))
    down = torch.nn.Parameter(up.detach().clone())
    options = {"weight_decay": 0.1, "lr": 0.1, **PATHS[path]}
    if name == "adam_2k":
        options["freeze_updates"] = 3
    climbing = make_optimizer(name, [up], maximize=True, **options)
    descending = make_optimizer(name, [down], **options)
    for _ in range(10):
        up.grad = torch.randn_like(up)
        down.grad = -up.grad
        climbing.step()
        descending.step()
    torch.testing.assert_close(up, down, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ADAM_FAMILY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decoupled", [True, False])
def test_the_triton_kernel_in_its_interpreter(name, dtype, decoupled, triton_interpreter):
    """The kernel has not met a GPU here; its arithmetic has met Algorithm 1."""
    options = {"weight_decay": 0.1, "decoupled_weight_decay": decoupled}
    if name == "adam_2k":
        options["freeze_updates"] = 3
    problem = {
        "name": name,
        "options": options,
        "shapes": [(3,), (40, 30)],
        "dtype": dtype,
        "lr": 0.01,
        "updates": 8,
        "seed": 1,
    }
    triton_interpreter(problem)


@pytest.fixture
def triton_interpreter(monkeypatch):
    triton = pytest.importorskip("triton", reason="Triton is not installed")
    monkeypatch.setattr(triton.knobs.runtime, "interpret", True)
    monkeypatch.delitem(__import__("sys").modules, "radam.triton_kernel", raising=False)
    capturable.triton_kernel.cache_clear()
    monkeypatch.setattr(capturable, "_implementation", lambda tensors: capturable.fused)
    yield lambda problem: assert_follows_algorithm_1(problem, capturable=True)
    capturable.triton_kernel.cache_clear()

"""Every implementation of every optimizer against Algorithm 1, on drawn problems."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from radam import make_optimizer
from tests.radam.stepping import ADAM_FAMILY, TOLERANCES, assert_follows_algorithm_1, gradient

PATHS = {
    "chosen": {},
    "fused": {"fused": True},
    "foreach": {"foreach": True},
    "plain": {"foreach": False},
    "capturable": {"capturable": True},
}


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

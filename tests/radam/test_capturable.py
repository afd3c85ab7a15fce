"""A step that a CUDA graph can hold: few operations, the same numbers, whatever was done between.

Without a GPU: the arithmetic on a CPU, whose fused kernel takes the same arguments.
"""

import copy
import functools
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from radam import RAdam, RAdam4Step, make_optimizer


class Operations(TorchDispatchMode):
    """What is done to how many tensors: torch's operations by name, views aside."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if not func.is_view:
            self.seen.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adam", {}),
        ("adam", {"epsilon": "after"}),
        ("adamw", {}),
        ("amsgrad", {}),
        ("adam_eps", {"weight_decay": 0.1}),
        ("radam", {"weight_decay": 0.1}),
        ("radam", {"variant": "torch", "weight_decay": 0.1, "maximize": True}),
        ("radam_4step", {}),
    ],
    ids=str,
)
def test_a_capturable_step_of_parameters_in_step_is_a_handful(name, options):
    """However many they are; from the first update on, whose momentum is another phase."""
    found = []
    for count in (2, 40):
        params = [torch.nn.Parameter(torch.ones(n % 5 + 1, 2)) for n in range(count)]
        rate = torch.tensor(0.1)
        optimizer = make_optimizer(name, params, lr=rate, capturable=True, **options)
        for t in range(6):
            for p in params:
                p.grad = torch.ones_like(p)
            with Operations() as operations:
                optimizer.step()
            if t:  # the first makes the state
                found.append(operations.seen)
        assert "_local_scalar_dense" not in operations.seen  # nothing is read back
    assert all(seen == found[0] for seen in found)
    over_all = [operation for operation in found[0] if operation.startswith(("_foreach", "_fused"))]
    assert len(over_all) <= 5
    assert over_all.count("_fused_adam_") == 1


def test_a_capturable_step_sees_who_is_out_of_step():
    """Whether a parameter had no gradient, or its user edited, replaced or loaded its number."""

    def made(how, **path):
        torch.manual_seed(0)
        params = [torch.nn.Parameter(torch.ones(3)) for _ in range(3)]
        optimizer = RAdam(params, lr=0.1, **path)
        for t in range(12):
            for number, p in enumerate(params):
                p.grad = torch.randn(3) if (how, t, number) != ("no gradient", 2, 1) else None
            optimizer.step()
            state = optimizer.state[params[1]]
            if t == 2 and how == "edited":
                state["step"].fill_(30)
            elif t == 2 and how == "replaced":
                state["step"] = torch.tensor(30.0)
            elif t == 2 and how == "loaded":
                saved = copy.deepcopy(optimizer.state_dict())
                saved["state"][1]["step"] = torch.tensor(30.0)
                optimizer.load_state_dict(saved)
            elif t == 6 and how != "no gradient":
                state["step"].copy_(optimizer.state[params[0]]["step"])
        return params

    for how in ("nothing", "no gradient", "edited", "replaced", "loaded"):
        for one, other in zip(made(how), made(how, capturable=True), strict=True):
            torch.testing.assert_close(one, other, msg=how)
    apart = [made(how)[1] for how in ("nothing", "no gradient", "edited")]
    assert len({tuple(p.tolist()) for p in apart}) == 3


def test_a_capturable_step_takes_gradients_that_lie_otherwise():
    """As those of convolutions may, where channels lie last; each is the other's step, still."""
    shape, results = (8, 4, 1, 1), []
    gradients = torch.randn(6, *shape)
    for capturable in (False, True):
        p = torch.nn.Parameter(torch.ones(shape).to(memory_format=torch.channels_last))
        wide = torch.nn.Parameter(torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last))
        optimizer = RAdam([p, wide], lr=0.1, capturable=capturable)
        for number, gradient in enumerate(gradients):
            p.grad = gradient.clone()
            wide.grad = torch.arange(120.0).reshape(2, 3, 4, 5) + number
            optimizer.step()
        results.append((p, wide))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "make",
    [
        functools.partial(RAdam, variant="package"),
        functools.partial(RAdam, early="skip"),
        functools.partial(RAdam4Step, first_updates="skip"),
    ],
)
@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_parameter_at_rest_is_left_alone_whatever_its_gradient(make, bad: float) -> None:
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = make([p], lr=0.01, capturable=True)
    for gradient in (1.0, bad, 1.0):
        p.grad = torch.full((3,), gradient)
        optimizer.step()
    assert torch.equal(p.detach(), torch.ones(3))

"""The parts of an update, put together again, are the update."""

import pytest
import torch

from radam import make_optimizer
from radam.adam_family import AdamFamily
from radam.observe import last_update
from radam.zoo import ZOO

FAMILY = [name for name, entry in ZOO.items() if isinstance(entry.build, type)]
CASES = [
    *((name, {}) for name in FAMILY if issubclass(ZOO[name].build, AdamFamily)),
    ("adam_2k", {"freeze_updates": 3}),
    ("radam", {"variant": "package"}),
    ("radam", {"betas": (0.9, 0.5)}),
    *(("radam_4step", {"first_updates": first}) for first in ("skip", "adam")),
    ("adam", {"epsilon": "after", "eps": 1e-3}),
    ("sgd", {}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_parts_make_the_update(name, options):
    p = torch.nn.Parameter(torch.randn(7, dtype=torch.float64))
    optimizer = make_optimizer(name, [p], lr=0.01, weight_decay=0.0, **options)
    for _ in range(9):
        before = p.detach().clone()
        p.grad = torch.randn_like(p)
        optimizer.step()
        found = last_update(optimizer, optimizer.param_groups[0], p)
        assert found is not None
        momentum, rate = found
        torch.testing.assert_close(before - 0.01 * momentum * rate, p.detach())


def test_sgd_first():
    """The averages see nothing of the four updates of SGD; then they have their parts."""
    p = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = make_optimizer("radam_4step", [p], lr=0.01, first_updates="sgd_then_adam")
    for t in range(1, 10):
        before = p.detach().clone()
        p.grad = torch.randn_like(p)
        optimizer.step()
        found = last_update(optimizer, optimizer.param_groups[0], p)
        assert (found is None) == (t <= 4)
        if found is not None:
            torch.testing.assert_close(before - 0.01 * found[0] * found[1], p.detach())


def test_momentum_updates_have_the_rate_one():
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = make_optimizer("radam", [p], lr=0.01)
    for t in range(1, 6):
        p.grad = torch.ones(2)
        optimizer.step()
        found = last_update(optimizer, optimizer.param_groups[0], p)
        assert found is not None
        assert bool((found[1] == 1).all()) == (t <= 4)


def test_the_state_is_not_touched():
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = make_optimizer("adam", [p], lr=0.01)
    p.grad = torch.ones(2)
    optimizer.step()
    found = last_update(optimizer, optimizer.param_groups[0], p)
    assert found is not None
    kept = optimizer.state[p]["exp_avg"].clone(), optimizer.state[p]["exp_avg_sq"].clone()
    for part in found:
        part.zero_()
    assert torch.equal(optimizer.state[p]["exp_avg"], kept[0])
    assert torch.equal(optimizer.state[p]["exp_avg_sq"], kept[1])


@pytest.mark.parametrize("name", ["adagrad", "rmsprop"])
def test_others_have_no_such_parts(name):
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = make_optimizer(name, [p], lr=0.01)
    p.grad = torch.ones(2)
    optimizer.step()
    assert last_update(optimizer, optimizer.param_groups[0], p) is None


def test_nothing_before_the_first_update():
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = make_optimizer("radam", [p], lr=0.01)
    assert last_update(optimizer, optimizer.param_groups[0], p) is None

"""The zoo: every name builds, moves as its own Algorithm 1 says, and refuses bad options."""

import pytest
import torch

from radam import generic
from radam.schedules import WARMUPS
from radam.zoo import ZOO, check, make_optimizer


def test_every_name_is_said_once_and_has_its_algorithm_1():
    assert set(generic.METHODS) == set(ZOO)
    assert all(name == entry.name for name, entry in ZOO.items())
    assert len({entry.title for entry in ZOO.values()}) == len(ZOO)


def test_what_a_cuda_graph_takes_is_an_option():
    for name, entry in ZOO.items():
        check(name, entry.captured({}) or {})
        check(name, entry.uncaptured)
    assert ZOO["sgd"].captured({}) == {"fused": True}
    assert ZOO["radam"].captured({}) == {"capturable": True}
    assert ZOO["adagrad"].captured({}) is None
    assert ZOO["radam_4step"].captured({"first_updates": "skip"}) == {"capturable": True}
    assert ZOO["radam_4step"].captured({"first_updates": "sgd_then_adam"}) is None


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_every_name_is_its_generic_method(name, weight_decay):
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(7, 3, dtype=torch.float64))
    options = {"freeze_updates": 4} if "freeze_updates" in ZOO[name].defaults else {}
    optimizer = make_optimizer(name, [p], lr=0.1, weight_decay=weight_decay, **options)
    method, state, theta = generic.method(name, **options), generic.State(), p.detach().clone()
    for _ in range(20):
        p.grad = torch.randn_like(p)
        theta = method.step(theta, p.grad, state, 0.1, weight_decay)
        optimizer.step()
        torch.testing.assert_close(p.detach(), theta, rtol=1e-12, atol=1e-14)


def test_defaults_are_what_the_optimizers_take():
    for name, entry in ZOO.items():
        p = torch.nn.Parameter(torch.zeros(1))
        make_optimizer(name, [p], lr=0.1, **entry.defaults)
        assert "weight_decay" in entry.defaults
    assert ZOO["sgd"].defaults["momentum"] == 0.9
    assert ZOO["adam_eps"].defaults["eps"] == 1e-4
    assert ZOO["radam"].defaults["variant"] == "paper"
    assert ZOO["radam"].defaults["decoupled_weight_decay"] is None
    assert ZOO["adam_2k"].defaults["freeze_updates"] == 2000


def test_warmups_are_schedules():
    assert {entry.warmup for entry in ZOO.values()} <= {None, *WARMUPS}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("radm", {}, "optimizer 'radm' is unknown; did you mean 'radam'?"),
        ("0 + 1", {}, f"optimizer '0 . 1' is unknown; write one of: {', '.join(ZOO)}"),
        ("radam", {"beta": 0.9}, "optimizer 'radam' has no option 'beta'; did you mean 'betas'?"),
        ("adam", {"freeze_updates": 3}, "optimizer 'adam' has no option 'freeze_updates'"),
        ("adam", {"lr": -1.0}, "lr is -1.0; write a finite number of at least 0"),
        ("adam", {"lr": float("nan")}, "lr is nan"),
        ("adam", {"lr": "0.1"}, "lr is '0.1'"),
        ("adam", {"lr": torch.zeros(2)}, "lr is tensor"),
        ("sgd", {"momentum": -0.1}, "momentum is -0.1"),
        ("radam", {"betas": (0.9, 1.0)}, r"betas is \(0.9, 1.0\); write two numbers in \[0, 1\)"),
        ("radam", {"betas": 0.9}, "betas is 0.9; write two numbers"),
        ("radam", {"eps": -1e-8}, "eps is -1e-08"),
        ("radam", {"weight_decay": None}, "weight_decay is None"),
        ("radam", {"variant": "papr"}, "variant is 'papr'; write one of 'paper', 'task'"),
        ("radam", {"threshold": 4}, "threshold is 4; write one of '>4', '>=5', '>5'"),
        ("radam", {"early": "sgd"}, "early is 'sgd'; write one of 'momentum', 'skip', 'adam'"),
        ("radam", {"epsilon": "in"}, "epsilon is 'in'; write one of 'before', 'after'"),
        ("radam_4step", {"first_updates": "none"}, "first_updates is 'none'"),
        ("adam_2k", {"freeze_updates": 0.5}, "freeze_updates is 0.5; write a whole number"),
        ("adam", {"state_dtype": torch.int8}, "state_dtype is torch.int8"),
        ("adam", {"maximize": 1}, "maximize is 1; write True or False"),
        ("adam", {"foreach": True, "fused": True}, "fused and foreach are both True; write one"),
    ],
)
def test_errors_say_what_to_write(name, options, message):
    with pytest.raises(ValueError, match=message):
        check(name, options)
    with pytest.raises(ValueError, match=message):
        make_optimizer(name, [torch.nn.Parameter(torch.zeros(1))], **{"lr": 0.1, **options})


def test_check_builds_nothing_and_takes_good_options():
    check("radam", {"lr": 0.1, "variant": "task", "threshold": ">4", "state_dtype": None})
    check("radam", {"epsilon": None, "early": None})

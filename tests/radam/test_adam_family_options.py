"""What the family and its groups take: nothing is ignored, and nothing of the user's is lost."""

import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from radam import Adam, Adam2k, RAdam, RAdam4Step, make_optimizer
from radam.options import CHECKS
from radam.zoo import ZOO
from tests.radam.stepping import ADAM_FAMILY

CLASSES = {name: ZOO[name].build for name in ADAM_FAMILY}
ODD = [
    *(-1, -0.5, 1.5, 7, math.nan, math.inf, -math.inf, 1j, True, False, None, Fraction(1, 3)),
    *("", "0.1", "before", "nan", b"x", [], [0.9], (0.9, "x"), (0.9, math.nan), [0.5, 0.5], {}),
    *(torch.tensor(math.nan), torch.ones(2), torch.tensor(True), torch.tensor(0.1), torch.int32),
    *(
        {0.5, 0.9},
        {0.5: 1, 0.9: 1},
        np.array([0.5, 0.9]),
        list,
        torch.float32,
        np.float64(0.1),
        np.array([0.1, 0.2]),
        object(),
        int,
    ),
]
LEFT_TO_THE_VARIANT = {"variant", "decoupled_weight_decay", "epsilon", "threshold", "early"}
FOREIGN = ["weigth_decay", "degenerated_to_sgd", "warmup", "differentiable", "beta1", "rho"]


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(3))


@pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
def test_a_class_lists_what_it_takes_and_refuses_the_rest(build):
    listed = inspect.signature(build).parameters
    assert {"decoupled_weight_decay", "epsilon", "maximize", "foreach", "fused"} <= listed.keys()
    assert all(taken.kind is not taken.VAR_KEYWORD for taken in listed.values())
    given = {name: taken.default for name, taken in listed.items() if name != "params"}
    build([parameter()], **given)
    for name in {*FOREIGN, *CHECKS} - listed.keys():
        with pytest.raises(TypeError, match=f"{build.__name__} has no option '{name}'; "):
            build([parameter()], **{name: 0.0})
    with pytest.raises(TypeError, match="did you mean 'weight_decay'"):
        build([parameter()], weigth_decay=0.1)


@pytest.mark.parametrize("name", ADAM_FAMILY)
def test_odd_values_are_taken_rightly_or_refused_by_name_everywhere(name):
    """By the class, by a group and by the zoo alike."""
    refused = 0
    for option in set(ZOO[name].defaults) | {"lr"}:
        for value in ODD:
            ways = {
                "class": lambda o=option, v=value: CLASSES[name]([parameter()], **{o: v}),
                "zoo": lambda o=option, v=value: make_optimizer(
                    name, [parameter()], **{"lr": 0.1, o: v}
                ),
                "group": lambda o=option, v=value: CLASSES[name]([{"params": [parameter()], o: v}]),
            }
            said = {way: complaint(build) for way, build in ways.items()}
            if value is None and option in LEFT_TO_THE_VARIANT:
                continue
            assert len(set(said.values())) == 1, (option, value, said)
            if said["class"] is not None:
                assert said["class"].startswith(f"{option} is "), said
                refused += 1
    assert refused > 100


def complaint(build) -> str | None:
    """Return what a constructor says against its arguments; if nothing, it makes a finite step."""
    try:
        optimizer = build()
    except ValueError as error:
        return str(error)
    (p,) = optimizer.param_groups[0]["params"]
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert p.isfinite().all()
    return None


@pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
def test_keys_of_the_users_own_pass(build):
    """Wrappers as SAM put theirs into the groups; the name may be another optimizer's option."""
    options = inspect.signature(build).parameters.keys() | {"amsgrad"}  # says what a state holds
    own = dict.fromkeys(set(CHECKS) - options, 2.0)
    own |= {"method": "sam", "name": "head", "initial_lr": 0.3}
    group = {"params": [p := parameter()], **own}
    optimizer = build([group])
    p.grad = torch.ones_like(p)
    optimizer.step()
    fresh = build([{"params": [parameter()]}])
    fresh.load_state_dict(optimizer.state_dict())
    for seen in (optimizer.param_groups[0], fresh.param_groups[0]):
        assert own.items() <= seen.items()


def test_another_optimizers_groups_may_be_taken_over():
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, params, base, **options):
            super().__init__(params, {"rho": 2.0, **options})
            self.base = base(self.param_groups, **options)
            self.param_groups = self.base.param_groups

    wrapper = Wrapper([p := parameter()], RAdam, lr=0.1)
    p.grad = torch.ones_like(p)
    wrapper.base.step()
    assert wrapper.param_groups[0]["rho"] == 2.0
    assert (p < 1).all()


@pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
def test_the_dict_given_is_the_group(build):
    head = {"params": [p := parameter()], "lr": 0.1}
    optimizer = build([head])
    assert optimizer.param_groups[0] is head
    head["lr"] = 0.0
    for _ in range(6):
        p.grad = torch.ones_like(p)
        optimizer.step()
    assert (p == 1).all()


def test_a_group_puts_an_option_back_to_none():
    group = {"params": [parameter()], "state_dtype": None, "foreach": None, "fused": None}
    optimizer = RAdam([group], state_dtype=torch.float32, foreach=True)
    assert optimizer.param_groups[0]["state_dtype"] is None
    assert optimizer.param_groups[0]["foreach"] is None
    group = {"params": [parameter()], "foreach": False, "fused": True}
    assert RAdam([group], foreach=True).param_groups[0]["fused"] is True
    with pytest.raises(ValueError, match="fused and foreach are both True"):
        RAdam([{"params": [parameter()], "fused": True}], foreach=True)


def test_a_switch_of_a_group_that_is_none_is_its_variants():
    groups = [
        {"params": [parameter()], "early": None},
        {"params": [parameter()], "variant": "torch", "early": None, "epsilon": "after"},
    ]
    optimizer = RAdam(groups, variant="package")
    seen = [(g["early"], g["threshold"], g["epsilon"]) for g in optimizer.param_groups]
    assert seen == [("skip", ">=5", "before"), ("momentum", ">5", "after")]


@pytest.mark.parametrize("build", [Adam, Adam2k, RAdam, RAdam4Step, torch.optim.Adam])
def test_a_group_is_a_dict(build):
    with pytest.raises(TypeError, match="param_group must be a dict, but got <class 'list'>"):
        build([parameter()]).add_param_group([parameter()])


@pytest.mark.parametrize("name", ADAM_FAMILY)
def test_how_a_step_is_computed_is_the_new_optimizers_choice(name):
    """A checkpoint brings what the update is; not what it is computed in, or on."""

    def built(**how):
        p = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
        return p, make_optimizer(name, [p], lr=0.1, **how)

    p, old = built(foreach=True)
    for _ in range(6):
        p.grad = torch.full_like(p, 0.3)
        old.step()
    q, new = built(state_dtype=torch.float32, fused=True)
    new.load_state_dict(old.state_dict())
    assert new.param_groups[0]["state_dtype"] == torch.float32
    assert (new.param_groups[0]["foreach"], new.param_groups[0]["fused"]) == (None, True)
    assert new.state[q]["exp_avg"].dtype == torch.float32
    assert torch.equal(new.state[q]["exp_avg"].bfloat16(), old.state[p]["exp_avg"])

"""Schedules: closed forms against hand-worked values and against independent implementations."""

import pickle
import warnings

import pytest
import pytorch_warmup
import torch

from radam.schedules import DECAYS, LRScheduler, make_schedule
from tests.radam.schedule_options import OPTIONS


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(2))


def rates_of(scheduler, updates: int) -> list[float]:
    optimizer, seen = scheduler.optimizer, []
    for _ in range(updates):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_multi_step_decays_after_its_milestones():
    schedule = make_schedule("multi_step", 0.1, milestones=[3, 5], gamma=0.1)
    expected = [0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert [schedule(t) for t in range(1, 8)] == pytest.approx(expected, rel=1e-15)


def test_multi_step_is_torchs():
    optimizer = torch.optim.SGD([parameter()], lr=0.3)
    torchs = rates_of(torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5], 0.5), 9)
    schedule = make_schedule("multi_step", 0.3, milestones=[3, 5], gamma=0.5)
    assert [schedule(t) for t in range(1, 10)] == torchs


def test_linear_decay_ends_at_its_end():
    schedule = make_schedule("linear", 1.0, total_updates=4, end_lr=0.2)
    expected = [1.0, 0.8, 0.6, 0.4, 0.2, 0.2]
    assert [schedule(t) for t in range(1, 7)] == pytest.approx(expected, rel=1e-15)


def test_linear_decay_of_the_papers_adam_2k_passes_3e_4_when_the_freeze_ends():
    schedule = make_schedule("linear", 3.086e-4, total_updates=72_000, end_lr=1e-9)
    assert schedule(2001) == pytest.approx(3e-4, rel=1e-4)


def test_linear_decay_begins_where_the_warmup_ends():
    options = {"warmup": "linear", "warmup_updates": 4_000}
    schedule = make_schedule("linear", 3e-4, total_updates=70_000, end_lr=1e-9, **options)
    assert schedule(4_000) == schedule(4_001) == 3e-4
    assert schedule(4_002) < 3e-4
    assert schedule(70_001) == 1e-9


def test_cosine_is_torchs():
    optimizer = torch.optim.SGD([parameter()], lr=0.3)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8, eta_min=0.01)
    schedule = make_schedule("cosine", 0.3, total_updates=8, end_lr=0.01)
    assert [schedule(t) for t in range(1, 10)] == pytest.approx(rates_of(oracle, 9), rel=1e-12)
    assert schedule(10) == schedule(9) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "name", [name for name, decay in DECAYS.items() if decay.ends_with_the_run()]
)
def test_what_ends_with_the_run_falls_from_the_peak_after_the_warmup_to_its_end(name):
    options = {"warmup": "linear", "warmup_updates": 40, "end_lr": 0.02}
    schedule = make_schedule(name, 0.1, total_updates=140, **options)
    rates = [schedule(t) for t in range(1, 201)]
    assert rates[:40] == sorted(rates[:40])
    assert rates[39] == rates[40] == 0.1
    assert rates[40:141] == sorted(set(rates[40:141]), reverse=True)
    assert rates[90] == pytest.approx(0.06)  # half the way
    assert rates[140:] == pytest.approx([0.02] * 60)


def test_inverse_square_root():
    schedule = make_schedule("inverse_sqrt", 0.1, warmup="linear", warmup_updates=100)
    assert schedule(100) == 0.1
    assert schedule(400) == pytest.approx(0.05)
    assert make_schedule("inverse_sqrt", 0.1)(4) == pytest.approx(0.05)


def test_linear_warmup_is_the_authors_and_follows_the_decay():
    schedule = make_schedule("multi_step", 0.1, milestones=[2], warmup="linear", warmup_updates=4)
    expected = [1e-8 + 1 * 0.1 / 4, 1e-8 + 2 * 0.1 / 4, 1e-8 + 3 * 0.01 / 4, 0.01, 0.01]
    assert [schedule(t) for t in range(1, 6)] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("warmup", "oracle", "period"),
    [
        ("untuned_linear", pytorch_warmup.LinearWarmup, lambda beta2: 2 / (1 - beta2)),
        ("untuned_exponential", pytorch_warmup.ExponentialWarmup, lambda beta2: 1 / (1 - beta2)),
    ],
)
@pytest.mark.parametrize("beta2", [0.75, 0.99, 0.999])
def test_untuned_warmups_against_pytorch_warmup(warmup, oracle, period, beta2):
    """Its own untuned classes round the period down (1/(1−.999) to 999): give it the right one."""
    optimizer = torch.optim.AdamW([parameter()], lr=0.1, betas=(0.9, beta2))
    theirs = oracle(optimizer, warmup_period=round(period(beta2)))
    ours = make_schedule("constant", 0.1, warmup=warmup, beta2=beta2)
    for t in range(1, 2500):
        assert ours(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-11)
        optimizer.param_groups[0]["lr"] = 0.1
        with theirs.dampening():
            pass


@pytest.mark.parametrize("warmup", ["untuned_linear", "untuned_exponential"])
def test_untuned_warmups_at_an_exact_period_are_pytorch_warmups_own(warmup):
    names = {
        "untuned_linear": pytorch_warmup.UntunedLinearWarmup,
        "untuned_exponential": pytorch_warmup.UntunedExponentialWarmup,
    }
    optimizer = torch.optim.AdamW([parameter()], lr=0.1, betas=(0.9, 1 - 2**-6))
    theirs = names[warmup](optimizer)
    ours = make_schedule("constant", 0.1, warmup=warmup, beta2=1 - 2**-6)
    for t in range(1, 300):
        assert ours(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.param_groups[0]["lr"] = 0.1
        with theirs.dampening():
            pass


def test_the_options_that_tests_give_are_all_there_are():
    taken = {name: {option.name for option in decay.options()} for name, decay in DECAYS.items()}
    for name, decay in DECAYS.items():
        taken[name] |= {"total_updates"} if decay.ends_with_the_run() else set()
    assert {name: set(options) for name, options in OPTIONS.items()} == taken


WARMUP_CASES = [
    {},
    {"warmup": "linear", "warmup_updates": 6},
    {"warmup": "untuned_linear", "beta2": 0.9},
    {"warmup": "untuned_exponential", "beta2": 0.9},
]


@pytest.mark.parametrize(("name", "options"), OPTIONS.items())
@pytest.mark.parametrize("warmup", WARMUP_CASES)
def test_the_torch_scheduler_gives_the_same_rates_from_any_update_on(name, options, warmup):
    schedule = make_schedule(name, 0.1, **options, **warmup)
    expected = [schedule(t) for t in range(1, 21)]
    whole = LRScheduler(torch.optim.SGD([parameter()], lr=0.1), schedule)
    assert rates_of(whole, 20) == expected
    for made in (1, 5, 6, 13):
        first = LRScheduler(torch.optim.SGD([parameter()], lr=0.1), schedule)
        rates_of(first, made)
        optimizer = torch.optim.SGD([parameter()], lr=0.1)
        second = LRScheduler(optimizer, schedule)
        optimizer.load_state_dict(first.optimizer.state_dict())
        second.load_state_dict(first.state_dict())
        assert rates_of(second, 20 - made) == expected[made:]


def test_scheduler_state_is_plain_data(tmp_path):
    schedule = make_schedule("constant", 0.1)
    scheduler = LRScheduler(torch.optim.SGD([parameter()], lr=0.1), schedule)
    torch.save(scheduler.state_dict(), tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True)["last_epoch"] == 0


@pytest.mark.parametrize("schedule_first", [False, True])
def test_a_state_is_a_position_and_brings_no_rate(schedule_first):
    """The rate is the new run's; what is loaded first does not matter, and no update goes amiss."""
    options = {"warmup": "linear", "warmup_updates": 10}
    old = torch.optim.SGD([parameter()], lr=0.1)
    before = LRScheduler(old, make_schedule("constant", 0.1, **options))
    rates_of(before, 6)
    assert before.state_dict() == {"last_epoch": 6}
    schedule = make_schedule("constant", 0.01, **options)
    new = torch.optim.SGD([parameter()], lr=0.01)
    after = LRScheduler(new, schedule)
    loads = [lambda: after.load_state_dict(before.state_dict())]
    loads.insert(schedule_first, lambda: new.load_state_dict(old.state_dict()))
    for load in loads:
        load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates = rates_of(after, 5)
    if schedule_first:  # The optimizer's groups came last, with the rate of update 7.
        assert rates.pop(0) == before.schedule(7)
    assert rates == [schedule(t) for t in range(8 if schedule_first else 7, 12)]
    assert after.get_last_lr() == [schedule(12)]


def test_a_group_that_is_added_follows():
    schedule = make_schedule("inverse_sqrt", 0.1, warmup="linear", warmup_updates=4)
    for rate in (0.05, torch.tensor(0.05)):
        optimizer = torch.optim.SGD([parameter()], lr=0.1)
        scheduler = LRScheduler(optimizer, schedule)
        optimizer.add_param_group({"params": [parameter()], "lr": rate})
        for t in range(2, 8):
            optimizer.step()
            scheduler.step()
            seen = [float(group["lr"]) for group in optimizer.param_groups]
            assert seen == pytest.approx([schedule(t), schedule(t) / 2])


def test_groups_keep_their_ratio():
    groups = [{"params": [parameter()]}, {"params": [parameter()], "lr": 0.05}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    LRScheduler(optimizer, make_schedule("constant", 0.1, warmup="untuned_linear"))
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([5e-5, 2.5e-5])


def test_tensor_rates_stay_tensors():
    rate = torch.tensor(0.1)
    optimizer = torch.optim.SGD([parameter()], lr=rate)
    scheduler = LRScheduler(optimizer, make_schedule("linear", 0.1, total_updates=10))
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.09)


def test_resuming_with_last_epoch():
    schedule = make_schedule("linear", 0.1, total_updates=10)
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LRScheduler(optimizer, schedule, last_epoch=4)  # Updates 1..5 are made.
    assert optimizer.param_groups[0]["lr"] == schedule(6)


def test_schedules_pickle_and_compare():
    schedule = make_schedule("multi_step", 0.1, milestones=[3], warmup="untuned_linear")
    assert pickle.loads(pickle.dumps(schedule)) == schedule


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cosinus"}, "schedule 'cosinus' is unknown; did you mean 'cosine'"),
        ({"name": "0 + 1"}, f"schedule '0 . 1' is unknown; write one of: {', '.join(DECAYS)}"),
        ({"warmup": "slow"}, "warmup 'slow' is unknown; write one of: none"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"name": ["constant"]}, "schedule \\['constant'\\] is unknown"),
        ({"lr": "0.1"}, "lr is '0.1'; write a finite number above 0"),
        ({"warmup": None}, "warmup None is unknown; did you mean 'none'"),
        ({"warmup": "linear", "warmup_updates": 2.5}, "warmup_updates is 2.5; write a whole"),
        ({"warmup": "linear", "warmup_updates": "4"}, "warmup_updates is '4'; write a whole"),
        ({"beta2": 1.0, "warmup": "untuned_linear"}, "beta2 is 1.0"),
        ({"warmup": "linear"}, "warmup_updates is 0; a linear warmup needs"),
        ({"warmup_updates": 5}, "warmup_updates is 5, but warmup 'none'"),
        ({"gamma": 0.1}, "has no option 'gamma'; it takes no options"),
        ({"name": "multi_step"}, "milestones is None"),
        ({"name": "multi_step", "milestones": [5, 3]}, "milestones is \\[5, 3\\]"),
        ({"name": "multi_step", "milestones": [0]}, "milestones is \\[0\\]"),
        ({"name": "multi_step", "milestones": "23"}, "milestones is '23'"),
        ({"name": "multi_step", "milestones": 5}, "milestones is 5"),
        ({"name": "multi_step", "milestones": [5], "gamma": -1.0}, "gamma is -1.0"),
        ({"name": "linear", "total_updates": 9, "end_lr": -1.0}, "end_lr is -1.0"),
        ({"name": "linear", "total_updates": 9, "end_lr": float("nan")}, "end_lr is nan"),
        ({"name": "linear"}, "total_updates is None"),
        (
            {"name": "linear", "total_updates": 5, "warmup": "linear", "warmup_updates": 5},
            "total_updates is 5",
        ),
    ],
)
def test_errors_say_what_to_write(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_schedule(**{"name": "constant", "lr": 0.1, **arguments})


def test_there_is_no_update_zero():
    with pytest.raises(ValueError, match="numbered from 1"):
        make_schedule("constant", 0.1)(0)

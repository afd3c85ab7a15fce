"""What the variants of RAdam mean, as the table in its docstring says, and what they do."""

import re

import pytest
import torch

from radam import Adam, AdamEps, AdamW, RAdam, RAdam4Step


def moves(optimizer, p, updates=12) -> list[float]:
    """By how much a parameter moves in each update, given gradients of 1."""
    seen = []
    for _ in range(updates):
        before = p.detach().clone()
        p.grad = torch.ones_like(p)
        optimizer.step()
        seen.append(float(before - p.detach()))
    return seen


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros((), dtype=torch.float64))


def test_the_table_in_the_docstring_is_the_code():
    words = {"ρ_t > 4": ">4", "ρ_t ≥ 5": ">=5", "ρ_t > 5": ">5"}
    rows = re.findall(
        r"^ +(\w+) +(ρ_t . \d) +(\w+) +(decoupled|coupled) +(before|after)", RAdam.__doc__, re.M
    )
    table = {
        variant: {
            "threshold": words[threshold],
            "early": early,
            "decoupled_weight_decay": decay == "decoupled",
            "epsilon": epsilon,
        }
        for variant, threshold, early, decay, epsilon in rows
    }
    assert table == {variant: dict(switches) for variant, switches in RAdam.VARIANTS.items()}


@pytest.mark.parametrize(
    ("variant", "momentum_steps", "rests"),
    [("paper", 4, 0), ("task", 5, 0), ("package", 0, 5), ("torch", 5, 0)],
)
def test_when_rectification_begins(variant, momentum_steps, rests):
    """A momentum step along a constant gradient of 1 is α; a rectified one is α·r_t."""
    seen = moves(RAdam([p := parameter()], 0.1, variant=variant), p)
    early = momentum_steps + rests
    assert seen[:early] == pytest.approx([0.1] * momentum_steps + [0.0] * rests)
    assert all(0 < move < 0.01 for move in seen[early:])


def test_each_switch_can_be_set_by_itself():
    optimizer = RAdam(
        [parameter()],
        variant="torch",
        threshold=">4",
        early="skip",
        decoupled_weight_decay=True,
        epsilon="after",
    )
    group = optimizer.param_groups[0]
    switches = ("threshold", "early", "decoupled_weight_decay", "epsilon")
    assert tuple(group[name] for name in switches) == (">4", "skip", True, "after")


def test_small_beta2_is_sgd_with_momentum_for_ever():
    """§4.2, claim C18."""
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(5, dtype=torch.float64))
    theta, m = p.detach().clone(), torch.zeros(5, dtype=torch.float64)
    optimizer = RAdam([p], 0.1, betas=(0.9, 0.6), weight_decay=0.1)
    for t in range(1, 200):
        p.grad = torch.randn_like(p)
        m = 0.9 * m + 0.1 * p.grad
        theta = theta - 0.1 * 0.1 * theta - 0.1 * m / (1 - 0.9**t)
        optimizer.step()
    torch.testing.assert_close(p.detach(), theta, rtol=1e-11, atol=1e-12)


def test_the_place_of_epsilon_at_the_first_update():
    """Before the bias correction ε weighs 1/sqrt(1 − β2) = 31.6 times as much."""
    (before,) = moves(Adam([p := parameter()], 1.0, eps=0.1), p, 1)
    (after,) = moves(Adam([p := parameter()], 1.0, eps=0.1, epsilon="after"), p, 1)
    assert after == pytest.approx(1 / 1.1)
    assert before == pytest.approx(1 / (1 + 0.1 / 0.001**0.5))
    (small,) = moves(AdamEps([p := parameter()], 1.0), p, 1)
    assert small == pytest.approx(1 / (1 + 1e-4 / 0.001**0.5))


def test_decoupled_decay_rests_with_the_parameter():
    """No update, no decay: the authors' package before update 6."""
    p = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
    optimizer = RAdam([p], 0.1, variant="package", weight_decay=0.5)
    for _ in range(5):
        p.grad = torch.ones_like(p)
        optimizer.step()
        assert p.item() == 1
    optimizer.step()
    assert p.item() < 1


def test_the_four_step_ablation():
    """Table 3: what happens in the first updates, at β2 = .999."""
    seen = {
        first: moves(RAdam4Step([p := parameter()], 0.1, eps=0.0, first_updates=first), p)
        for first in ("rectified", "skip", "adam", "sgd_then_adam")
    }
    for first, early in {"rectified": 0.1, "skip": 0.0, "adam": 0.1}.items():
        assert seen[first][:4] == pytest.approx([early] * 4)
        assert seen[first][4:] == pytest.approx(seen["adam"][4:])
    # SGD at 0.1 on a gradient of 1, then Adam's α, then RAdam from its own fifth update on.
    assert seen["sgd_then_adam"][:8] == pytest.approx([0.1] * 8)
    assert seen["sgd_then_adam"][8:] == pytest.approx(seen["adam"][4:8])


def test_adamw_is_adam_with_a_decay():
    assert AdamW([parameter()]).param_groups[0]["weight_decay"] == 0.01
    with pytest.raises(ValueError, match="variant is 'task'; write one of 'paper', 'torch'"):
        AdamW([parameter()], variant="task")


def test_groups_of_a_state_keep_switches_of_their_own():
    a, b = parameter(), parameter()
    optimizer = RAdam([{"params": [a]}, {"params": [b], "variant": "package"}])
    assert [group["early"] for group in optimizer.param_groups] == ["momentum", "skip"]
    twin = RAdam([{"params": [parameter()]}, {"params": [parameter()]}])
    twin.load_state_dict(optimizer.state_dict())
    assert [group["early"] for group in twin.param_groups] == ["momentum", "skip"]

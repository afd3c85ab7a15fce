"""The trajectories of the authors' update rules, recorded in float64 (golden/)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radam import generic, make_optimizer

PATHS = [{"fused": True}, {"foreach": True}, {"foreach": False}]
FOLDER = Path(__file__).with_name("golden")
CASES: dict[str, Any] = json.loads((FOLDER / "trajectories.json").read_text())


def zoo_terms(case: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and options in the zoo of the rule that a case records."""
    common = {"betas": tuple(case["betas"]), "eps": case["eps"]}
    match case["rule"]:
        case "radam":
            early = {"skip": "skip", "sgd": "momentum"}[case["early"]]
            return "radam", {"threshold": ">=5", "early": early, **common}
        case "adam":
            return "adam", common
        case "adam2k":
            return "adam_2k", {"freeze_updates": case["freeze"], **common}
        case "radam4":
            first = "adam" if case["update_all"] else "skip"
            return "radam_4step", {"first_updates": first, **common}
    raise AssertionError(case)


def rates(case: dict[str, Any]) -> Iterator[float]:
    lr, warmup = case["lr"], case.get("warmup", 0)
    for t in range(1, 10_000):
        yield 1e-8 + t * lr / warmup if t < warmup else lr


def recorded(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """Start point, gradients, expected parameters, and the updates after which they hold."""
    arrays = np.load(FOLDER / "trajectories.npz")
    prefix = "long_" if name.endswith("_long") else ""
    updates = CASES[name].get("recorded_steps") or list(range(1, 61))
    theta0, grads = arrays[f"{prefix}theta0"], arrays[f"{prefix}grads"].astype(np.float64)
    return theta0, grads, arrays[name], updates


def assert_close(seen: list[np.ndarray], expected: np.ndarray, tolerance: float) -> None:
    """Compare relative to the update's largest parameter: one that passes zero has no digits."""
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(np.stack(seen) - expected) / scale).max() < tolerance


@pytest.mark.parametrize("name", CASES)
def test_generic(name):
    case = CASES[name]
    theta0, grads, expected, updates = recorded(name)
    rule, options = zoo_terms(case)
    method, state = generic.method(rule, **options), generic.State()
    theta, seen = torch.tensor(theta0), []
    for t, (g, alpha) in enumerate(zip(torch.tensor(grads), rates(case), strict=False), start=1):
        theta = method.step(theta, g, state, alpha, case["weight_decay"])
        if t in updates:
            seen.append(theta.numpy())
    assert_close(seen, expected, 1e-12)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str
)
@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_optimizers(name, path, dtype, tolerance):
    case = CASES[name]
    theta0, grads, expected, updates = recorded(name)
    rule, options = zoo_terms(case)
    p = torch.nn.Parameter(torch.tensor(theta0, dtype=dtype))
    options = {"weight_decay": case["weight_decay"], **options, **path}
    optimizer = make_optimizer(rule, [p], lr=0.0, **options)
    seen = []
    for t, (g, alpha) in enumerate(zip(torch.tensor(grads), rates(case), strict=False), start=1):
        optimizer.param_groups[0]["lr"] = alpha
        p.grad = g.to(dtype)
        optimizer.step()
        if t in updates:
            seen.append(p.detach().double().numpy().copy())
    assert_close(seen, expected, tolerance)

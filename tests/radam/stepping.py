"""Stepping an optimizer and its Algorithm 1 side by side."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from radam import generic

ADAM_FAMILY = ["adam", "adamw", "amsgrad", "adam_2k", "adam_eps", "radam", "radam_4step"]


def generic_options(options: dict[str, Any]) -> dict[str, Any]:
    """Options in the words of `radam.generic`, which has no implementations to choose from."""
    words = {"decoupled_weight_decay": "decoupled"}
    taken = ("betas", "eps", "epsilon", "threshold", "early", "first_updates", "freeze_updates")
    kept = {words.get(key, key): value for key, value in options.items()}
    return {key: value for key, value in kept.items() if key in (*taken, "decoupled")}


def generic_steps(
    name: str,
    theta: Tensor,
    grads: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    **options: Any,
) -> Iterable[Tensor]:
    """Yield the parameter after each gradient, by Algorithm 1 in the parameter's own type."""
    method, state = generic.method(name, **generic_options(options)), generic.State()
    for g in grads:
        theta = method.step(theta, g, state, lr, weight_decay)
        yield theta

"""Stepping an optimizer and its Algorithm 1 side by side."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from radam import ZOO, generic, make_optimizer
from radam.adam_family import AdamFamily

ADAM_FAMILY = [
    name
    for name, entry in ZOO.items()
    if isinstance(entry.build, type) and issubclass(entry.build, AdamFamily) and not entry.warmup
]


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


def assert_follows_algorithm_1(problem: Mapping[str, Any], **path: Any) -> None:
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

"""Schedules: the learning rate α_t as a pure function of the update number t = 1, 2, ...

A schedule is a decay with or without a warmup. Being a function of t alone, it needs no state: a
run resumed at any update goes on with the same α_t. `LRScheduler` is the same function as a torch
learning-rate scheduler.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler as TorchLRScheduler

# A decay says which rate belongs to update t when `lr` is the peak rate.


@dataclass(frozen=True)
class Constant:
    """The same rate for ever."""

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        return lr


@dataclass(frozen=True)
class MultiStep:
    """Times ``gamma`` after each update in ``milestones`` (from milestone + 1 on)."""

    milestones: tuple[int, ...]
    gamma: float = 0.1

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        return float(lr * self.gamma ** bisect_left(self.milestones, t))


@dataclass(frozen=True)
class Linear:
    """From the peak after ``start`` updates on a line to ``end_lr`` after ``total_updates``."""

    start: int
    total_updates: int
    end_lr: float = 0.0

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        done = min(1.0, max(0, t - 1 - self.start) / (self.total_updates - self.start))
        return lr * (1 - done) + self.end_lr * done


@dataclass(frozen=True)
class InverseSqrt:
    """α·sqrt(s/t) after ``start`` = s updates; the peak until then."""

    start: int

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        start = max(1, self.start)
        return lr * math.sqrt(start / max(start, t))


# A warmup says what becomes of the decayed rate α at update t.


@dataclass(frozen=True)
class NoWarmup:
    """No warmup: α."""

    def __call__(self, t: int, alpha: float) -> float:
        """Return the rate at update ``t``."""
        return alpha


@dataclass(frozen=True)
class LinearWarmup:
    """The paper's: 1e-8 + t·α/T for t < T = ``updates``, then α (the authors' AdamW)."""

    updates: int

    def __call__(self, t: int, alpha: float) -> float:
        """Return the rate at update ``t``."""
        return 1e-8 + t * alpha / self.updates if t < self.updates else alpha


@dataclass(frozen=True)
class UntunedLinearWarmup:
    """α·min(1, (1−β2)·t/2) (Ma & Yarats, arXiv 1910.04209)."""

    beta2: float

    def __call__(self, t: int, alpha: float) -> float:
        """Return the rate at update ``t``."""
        return alpha * min(1.0, (1 - self.beta2) * t / 2)


@dataclass(frozen=True)
class UntunedExponentialWarmup:
    """α·(1 − exp(−(1−β2)·t)) (Ma & Yarats, arXiv 1910.04209)."""

    beta2: float

    def __call__(self, t: int, alpha: float) -> float:
        """Return the rate at update ``t``."""
        return alpha * -math.expm1(-(1 - self.beta2) * t)


@dataclass(frozen=True)
class Schedule:
    """α_t: call it with the update number t = 1, 2, ... Built by `make_schedule`."""

    lr: float
    decay: Callable[[int, float], float]
    warmup: Callable[[int, float], float]

    def __call__(self, t: int) -> float:
        """Return α_t, absolute. Raises ValueError for t < 1: there is no update 0."""
        if t < 1:
            raise ValueError(f"updates are numbered from 1, but the schedule was asked for {t}")
        return self.warmup(t, self.decay(t, self.lr))


DECAYS: Mapping[str, tuple[str, ...]] = {
    "constant": (),
    "multi_step": ("milestones", "gamma"),
    "linear": ("total_updates", "end_lr"),
    "inverse_sqrt": (),
}
"""Every decay with the options that it takes."""

WARMUPS = ("none", "linear", "untuned_linear", "untuned_exponential")


def make_schedule(
    name: str,
    lr: float,
    *,
    warmup: str = "none",
    warmup_updates: int = 0,
    beta2: float = 0.999,
    **options: Any,
) -> Schedule:
    """Build the schedule ``name`` with peak rate ``lr``.

    Args:
        name: ``constant``; ``multi_step`` (``milestones`` in updates, ``gamma`` = 0.1);
            ``linear`` (``total_updates``, ``end_lr`` = 0); ``inverse_sqrt``. The last two begin
            to decay when ``warmup_updates`` updates are over.
        lr: the peak rate α > 0.
        warmup: ``none``; ``linear`` over ``warmup_updates``; ``untuned_linear`` or
            ``untuned_exponential``, whose length follows from ``beta2``.
        warmup_updates: the length of a linear warmup; 0 with every other warmup.
        beta2: the optimizer's β2, read by the untuned warmups.
        options: what the decay takes, as above.

    Raises:
        ValueError: in one line: the field, its value, and what to write instead.
    """
    _check(name, lr, warmup, warmup_updates, beta2, options)
    decay: Callable[[int, float], float]
    match name:
        case "multi_step":
            decay = MultiStep(tuple(options.pop("milestones")), **options)
        case "linear":
            decay = Linear(warmup_updates, **options)
        case "inverse_sqrt":
            decay = InverseSqrt(warmup_updates)
        case _:
            decay = Constant()
    warm: Callable[[int, float], float]
    match warmup:
        case "linear":
            warm = LinearWarmup(warmup_updates)
        case "untuned_linear":
            warm = UntunedLinearWarmup(beta2)
        case "untuned_exponential":
            warm = UntunedExponentialWarmup(beta2)
        case _:
            warm = NoWarmup()
    return Schedule(lr, decay, warm)


def _check(
    name: str,
    lr: float,
    warmup: str,
    warmup_updates: int,
    beta2: float,
    options: Mapping[str, Any],
) -> None:
    if name not in DECAYS:
        raise ValueError(f"schedule {name!r} is unknown; write one of: {', '.join(DECAYS)}")
    if warmup not in WARMUPS:
        raise ValueError(f"warmup {warmup!r} is unknown; write one of: {', '.join(WARMUPS)}")
    if not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"lr is {lr}; write a finite number above 0")
    if not 0 <= beta2 < 1:
        raise ValueError(f"beta2 is {beta2}; write a number in [0, 1)")
    if warmup == "linear" and warmup_updates < 1:
        raise ValueError(f"warmup_updates is {warmup_updates}; a linear warmup needs at least 1")
    if warmup != "linear" and warmup_updates != 0:
        raise ValueError(
            f"warmup_updates is {warmup_updates}, but warmup {warmup!r} has no length to set; "
            "write 0, or warmup linear"
        )
    if unknown := set(options) - set(DECAYS[name]):
        known = ", ".join(DECAYS[name]) or "no options"
        raise ValueError(f"schedule {name!r} has no option {min(unknown)!r}; it takes {known}")
    if name == "multi_step":
        _check_milestones(options.get("milestones"))
    if name == "linear":
        total = options.get("total_updates")
        if total is None or total <= warmup_updates:
            raise ValueError(
                f"total_updates is {total}; a linear decay needs more updates than its warmup's "
                f"{warmup_updates}"
            )


def _check_milestones(milestones: Sequence[int] | None) -> None:
    if (
        milestones is None
        or list(milestones) != sorted(set(milestones))
        or min(milestones, default=1) < 1
    ):
        raise ValueError(
            f"milestones is {milestones}; write ascending update numbers from 1, such as [100, 150]"
        )


class LRScheduler(TorchLRScheduler):
    """A `Schedule` as a torch learning-rate scheduler: call ``step()`` after each update.

    A group built with another rate than ``schedule.lr`` keeps its ratio to it. The state is the
    number of updates made and no more: load it, or pass ``last_epoch``, and the rates go on.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        self.schedule = schedule
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the rate of each group at the next update."""
        alpha = self.schedule(self.last_epoch + 1)
        return [alpha * (base / self.schedule.lr) for base in self.base_lrs]

    _get_closed_form_lr = get_lr

    def state_dict(self) -> dict[str, Any]:
        """Return the position, without the schedule: that is built, not loaded."""
        return {key: value for key, value in super().state_dict().items() if key != "schedule"}

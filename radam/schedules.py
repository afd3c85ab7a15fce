"""Schedules: the learning rate α_t as a pure function of the update number t = 1, 2, ...

A schedule is a decay with or without a warmup. Being a function of t alone, it needs no state: a
run resumed at any update goes on with the same α_t. `LRScheduler` is the same function as a torch
learning-rate scheduler.

A decay is one frozen dataclass in `DECAYS`. Its fields say what it takes, what is right, and what
a run fills in, so that configurations and fairseq's command line are made from it.
"""

import math
import numbers
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler as TorchLRScheduler

from radam.options import remedy

# What a decay's fields are.


def _option(
    check: Callable[[Any], str | None],
    help: str,
    *,
    default: Any = MISSING,
    counts: Literal["nothing", "updates"] = "nothing",
    comes_from: Literal["user", "warmup", "run"] = "user",
) -> Any:
    """Return a field of a decay.

    Args:
        check: what to write instead of a value, or None if the value will do.
        help: the field in a few words.
        default: of a field that need not be given.
        counts: ``updates`` where an experiment may as well write epochs.
        comes_from: who gives the value: the user; the ``warmup``, which is over by then; or the
            ``run``, whose last update the decay must know.
    """
    metadata = {"check": check, "help": help, "counts": counts, "comes_from": comes_from}
    return field(default=default, metadata=metadata)


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite number, which a truth value is not."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _whole(least: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        good = isinstance(value, numbers.Integral) and is_number(value) and int(value) >= least
        return None if good else f"write a whole number of at least {least}"

    return check


def _milestones(value: Any) -> str | None:
    good = isinstance(value, tuple | list) and all(_whole(1)(item) is None for item in value)
    if good and list(value) == sorted(set(value)):
        return None
    return "write ascending whole numbers from 1, such as [81, 122]"


def _factor(value: Any) -> str | None:
    return None if is_number(value) and value > 0 else "write a finite number above 0"


def _rate(value: Any) -> str | None:
    return None if is_number(value) and value >= 0 else "write a finite number of at least 0"


# A decay says which rate belongs to update t when `lr` is the peak rate.


@dataclass(frozen=True)
class Decay(ABC):
    """How the rate falls from its peak."""

    def __post_init__(self) -> None:
        """Refuse what no field takes. Raises ValueError naming field, value and remedy."""
        for option in fields(self):
            value = getattr(self, option.name)
            if wanted := option.metadata["check"](value):
                raise ValueError(f"{option.name} is {value!r}; {wanted}")
            if isinstance(value, list):
                object.__setattr__(self, option.name, tuple(value))

    @abstractmethod
    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""

    @classmethod
    def options(cls) -> tuple[Field[Any], ...]:
        """The fields that a user gives."""
        return tuple(f for f in fields(cls) if f.metadata["comes_from"] == "user")

    @classmethod
    def ends_with_the_run(cls) -> bool:
        """Whether it must know the run's last update, as ``total_updates``."""
        return any(f.metadata["comes_from"] == "run" for f in fields(cls))


@dataclass(frozen=True)
class Constant(Decay):
    """The same rate for ever."""

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        return lr


@dataclass(frozen=True)
class MultiStep(Decay):
    """Times ``gamma`` after each update in ``milestones`` (from milestone + 1 on)."""

    milestones: tuple[int, ...] = _option(
        _milestones, "after which the rate falls", counts="updates"
    )
    gamma: float = _option(_factor, "what the rate is then multiplied by", default=0.1)

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        return float(lr * self.gamma ** bisect_left(self.milestones, t))


@dataclass(frozen=True)
class _ToTheEnd(Decay):
    """From the peak after ``start`` updates to ``end_lr`` after ``total_updates``."""

    start: int = _option(_whole(0), "updates before it begins", comes_from="warmup")
    total_updates: int = _option(
        _whole(1), "updates of warmup and decay together", comes_from="run"
    )
    end_lr: float = _option(_rate, "the rate after the last update", default=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.total_updates <= self.start:
            raise ValueError(
                f"total_updates is {self.total_updates}; the decay needs more updates than its "
                f"warmup's {self.start}"
            )

    def _done(self, t: int) -> float:
        """The part of the way that is behind update ``t``, from 0 to 1."""
        return min(1.0, max(0, t - 1 - self.start) / (self.total_updates - self.start))


@dataclass(frozen=True)
class Linear(_ToTheEnd):
    """From the peak after ``start`` updates on a line to ``end_lr`` after ``total_updates``."""

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        done = self._done(t)
        return lr * (1 - done) + self.end_lr * done


@dataclass(frozen=True)
class Cosine(_ToTheEnd):
    """As `Linear`, on half a cosine wave (Loshchilov & Hutter, arXiv 1608.03983, Eq. 5)."""

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        return self.end_lr + (lr - self.end_lr) * (1 + math.cos(math.pi * self._done(t))) / 2


@dataclass(frozen=True)
class InverseSqrt(Decay):
    """α·sqrt(s/t) after ``start`` = s updates; the peak until then."""

    start: int = _option(_whole(0), "updates before it begins", comes_from="warmup")

    def __call__(self, t: int, lr: float) -> float:
        """Return the rate at update ``t``."""
        start = max(1, self.start)
        return lr * math.sqrt(start / max(start, t))


DECAYS: Mapping[str, type[Decay]] = {
    "constant": Constant,
    "multi_step": MultiStep,
    "linear": Linear,
    "cosine": Cosine,
    "inverse_sqrt": InverseSqrt,
}
"""Every decay by the name of its schedule."""


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
            ``linear`` and ``cosine`` (``total_updates``, ``end_lr`` = 0); ``inverse_sqrt``. The
            last three begin to decay when ``warmup_updates`` updates are over.
        lr: the peak rate α > 0.
        warmup: ``none``; ``linear`` over ``warmup_updates``; ``untuned_linear`` or
            ``untuned_exponential``, whose length follows from ``beta2``.
        warmup_updates: the length of a linear warmup; 0 with every other warmup.
        beta2: the optimizer's β2, read by the untuned warmups.
        options: what the decay takes, as above.

    Raises:
        ValueError: in one line: the field, its value, and what to write instead.
    """
    if name not in list(DECAYS):
        raise ValueError(f"schedule {name!r} is unknown; {remedy(name, DECAYS)}")
    if _factor(lr):
        raise ValueError(f"lr is {lr!r}; {_factor(lr)}")
    warm = _warmup(warmup, warmup_updates, beta2)
    return Schedule(lr, _decay(name, warmup_updates, options), warm)


def _decay(name: str, start: int, options: Mapping[str, Any]) -> Decay:
    takes = {f.name: f for f in fields(DECAYS[name]) if f.metadata["comes_from"] != "warmup"}
    if unknown := set(options) - set(takes):
        known = ", ".join(takes) or "no options"
        raise ValueError(f"schedule {name!r} has no option {min(unknown)!r}; it takes {known}")
    given = {key: options.get(key) for key, f in takes.items() if f.default is MISSING}
    if any(f.metadata["comes_from"] == "warmup" for f in fields(DECAYS[name])):
        given["start"] = start
    return DECAYS[name](**{**options, **given})


def _warmup(kind: str, updates: int, beta2: float) -> Callable[[int, float], float]:
    if kind not in WARMUPS:
        raise ValueError(f"warmup {kind!r} is unknown; {remedy(kind, WARMUPS)}")
    if not (is_number(beta2) and 0 <= beta2 < 1):
        raise ValueError(f"beta2 is {beta2!r}; write a number in [0, 1)")
    if wanted := _whole(0)(updates):
        raise ValueError(f"warmup_updates is {updates!r}; {wanted}")
    if kind == "linear" and updates < 1:
        raise ValueError(f"warmup_updates is {updates}; a linear warmup needs at least 1")
    if kind != "linear" and updates != 0:
        raise ValueError(
            f"warmup_updates is {updates}, but warmup {kind!r} has no length to set; "
            "write 0, or warmup linear"
        )
    match kind:
        case "linear":
            return LinearWarmup(updates)
        case "untuned_linear":
            return UntunedLinearWarmup(beta2)
        case "untuned_exponential":
            return UntunedExponentialWarmup(beta2)
        case _:
            return NoWarmup()


class LRScheduler(TorchLRScheduler):
    """A `Schedule` as a torch learning-rate scheduler: call ``step()`` after each update.

    A group built with another rate than ``schedule.lr`` keeps its ratio to it, and so does one that
    is added later. The state is the number of updates made and no more: load it, or pass
    ``last_epoch``, and the rates go on.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        self.schedule = schedule
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the rate of each group at the next update."""
        alpha = self.schedule(self.last_epoch + 1)
        added = self.optimizer.param_groups[len(self.base_lrs) :]
        self.base_lrs += [float(group["lr"]) for group in added]
        return [alpha * (base / self.schedule.lr) for base in self.base_lrs]

    _get_closed_form_lr = get_lr

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates made, as ``last_epoch``."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to where another one was, and set the rates of the update after that."""
        made = state_dict["last_epoch"]
        super().load_state_dict({"last_epoch": made, "_step_count": made + 1})
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._last_lr = rates

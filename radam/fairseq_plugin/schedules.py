"""The suite's schedules as fairseq's: ``--lr-scheduler linear --warmup-updates 4000``.

Importing this registers them, so fairseq must have been imported. Those that fairseq has under
the same name are called ``zoo_inverse_sqrt``, ``zoo_cosine``. Their options are those of the
decays in `radam.schedules`.
"""

import dataclasses
import re
from dataclasses import MISSING, dataclass
from typing import Any, ClassVar, Optional, get_origin

from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer
from fairseq.optim.lr_scheduler import (
    LR_SCHEDULER_REGISTRY,
    FairseqLRScheduler,
    register_lr_scheduler,
)
from omegaconf import II

from radam.fairseq_plugin.compat import naming_options
from radam.schedules import DECAYS, Decay, Schedule, make_schedule


@dataclass
class ScheduleConfig(FairseqDataclass):  # type: ignore[misc]
    """What every schedule takes."""

    warmup: str = dataclasses.field(
        default="auto",
        metadata={
            "help": "none, linear, untuned_linear, untuned_exponential; auto: linear where "
            "--warmup-updates is given, else none"
        },
    )
    warmup_updates: int = dataclasses.field(
        default=0, metadata={"help": "updates of a linear warmup: 1e-8 + t*lr/N for t < N"}
    )
    lr: list[float] = II("optimization.lr")  # noqa: RUF009 - a word, to be resolved later
    max_update: int = II("optimization.max_update")


class ZooSchedule(FairseqLRScheduler):  # type: ignore[misc]
    """One of the suite's decays, with or without a warmup; its subclasses say which."""

    decay: ClassVar[str]

    def __init__(self, cfg: Any, optimizer: FairseqOptimizer) -> None:
        super().__init__(cfg, optimizer)
        betas = optimizer.param_groups[0].get("betas", (0.9, 0.999))
        with naming_options():
            self.schedule = self._schedule(betas[1])
        self.step_update(0)

    def _schedule(self, beta2: float) -> Schedule:
        cfg = self.cfg
        if len(cfg.lr) != 1:
            raise ValueError(f"--lr {list(cfg.lr)}: one rate; the schedule makes the others")
        warmup = cfg.warmup
        if warmup == "auto":
            warmup = "linear" if cfg.warmup_updates else "none"
        return make_schedule(
            self.decay,
            cfg.lr[0],
            warmup=warmup,
            warmup_updates=cfg.warmup_updates,
            beta2=beta2,
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        decay = DECAYS[self.decay]
        options = {o.name: getattr(self.cfg, o.name) for o in decay.options()}
        for option in decay.options():
            if _is_tuple(option):
                options[option.name] = whole_numbers(option.name, options[option.name])
        if decay.ends_with_the_run():
            total = self.cfg.total_updates
            options["total_updates"] = self.cfg.max_update if total is None else total
        return options

    def step_update(self, num_updates: int) -> float:
        """Set the rate of the update after the first ``num_updates``."""
        rate = self.schedule(num_updates + 1)
        self.optimizer.set_lr(rate)
        return rate


def whole_numbers(option: str, written: Any) -> tuple[int, ...]:
    """The numbers in ``81,122``, ``81 122``, ``[81, 122]`` or ``(81, 122)``.

    Raises ValueError naming the option, for anything else.
    """
    text = str(written if isinstance(written, str) else list(written)).strip()
    inside = re.fullmatch(r"[\[(]?\s*(\d+(?:[\s,]+\d+)*)?[\s,]*[\])]?", text)
    if inside is None:
        flag = f"--{option.replace('_', '-')}"
        raise ValueError(f"{flag} {text}: write whole numbers, such as {flag} 81,122")
    return tuple(map(int, re.findall(r"\d+", text)))


def _is_tuple(option: dataclasses.Field[Any]) -> bool:
    return get_origin(option.type) is tuple


def _configuration(name: str, decay: type[Decay]) -> type:
    """fairseq's configuration of a decay, read off its fields."""
    own: list[tuple[str, Any, Any]] = []
    for option in decay.options():
        # A list would be taken apart letter by letter; fairseq reads the old spelling alone.
        kind: Any = str if _is_tuple(option) else Optional[option.type]  # noqa: UP045
        default = option.default
        if default is MISSING:
            default = "" if _is_tuple(option) else None
        help = {"help": option.metadata["help"]}
        own.append((option.name, kind, dataclasses.field(default=default, metadata=help)))
    if decay.ends_with_the_run():
        help = {"help": "of warmup and decay together (default: --max-update)"}
        field = dataclasses.field(default=None, metadata=help)
        own.append(("total_updates", Optional[int], field))  # noqa: UP045
    return dataclasses.make_dataclass(f"{name}_config", own, bases=(ScheduleConfig,))


for _decay in DECAYS:
    _name = f"zoo_{_decay}" if _decay in LR_SCHEDULER_REGISTRY else _decay
    _kind = type(f"Zoo_{_decay}_schedule", (ZooSchedule,), {"decay": _decay})
    register_lr_scheduler(_name, dataclass=_configuration(_decay, DECAYS[_decay]))(_kind)

"""The suite's schedules as fairseq's: ``--lr-scheduler linear --warmup-updates 4000``.

Importing this registers them, so fairseq must have been imported. The one that fairseq has under
the same name is called ``zoo_inverse_sqrt``.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer
from fairseq.optim.lr_scheduler import (
    LR_SCHEDULER_REGISTRY,
    FairseqLRScheduler,
    register_lr_scheduler,
)
from omegaconf import II

from radam.schedules import DECAYS, make_schedule


@dataclass
class ScheduleConfig(FairseqDataclass):  # type: ignore[misc]
    """What every schedule takes."""

    warmup: str = field(
        default="auto",
        metadata={
            "help": "none, linear, untuned_linear, untuned_exponential; auto: linear where "
            "--warmup-updates is given, else none"
        },
    )
    warmup_updates: int = field(
        default=0, metadata={"help": "updates of a linear warmup: 1e-8 + t*lr/N for t < N"}
    )
    lr: list[float] = II("optimization.lr")  # noqa: RUF009 - a word, to be resolved later


@dataclass
class MultiStepConfig(ScheduleConfig):
    """×gamma after each milestone."""

    milestones: list[int] = field(
        default_factory=list, metadata={"help": "updates after which the rate falls"}
    )
    gamma: float = field(default=0.1, metadata={"help": "what the rate is then multiplied by"})


@dataclass
class LinearConfig(ScheduleConfig):
    """A straight line from the rate to ``end_lr``."""

    end_lr: float = field(default=0.0, metadata={"help": "the rate after the last update"})
    total_updates: Optional[int] = field(  # noqa: UP045 - fairseq reads the old spelling alone
        default=None, metadata={"help": "of warmup and line together (default: --max-update)"}
    )
    max_update: int = II("optimization.max_update")


class ZooSchedule(FairseqLRScheduler):  # type: ignore[misc]
    """One of the suite's decays, with or without a warmup; its subclasses say which."""

    decay: ClassVar[str]

    def __init__(self, cfg: Any, optimizer: FairseqOptimizer) -> None:
        super().__init__(cfg, optimizer)
        if len(cfg.lr) != 1:
            raise ValueError(f"--lr {list(cfg.lr)}: one rate; the schedule makes the others")
        warmup = cfg.warmup
        if warmup == "auto":
            warmup = "linear" if cfg.warmup_updates else "none"
        betas = optimizer.param_groups[0].get("betas", (0.9, 0.999))
        self.schedule = make_schedule(
            self.decay,
            cfg.lr[0],
            warmup=warmup,
            warmup_updates=cfg.warmup_updates,
            beta2=betas[1],
            **self._options(),
        )
        self.step_update(0)

    def _options(self) -> dict[str, Any]:
        options = {option: getattr(self.cfg, option) for option in DECAYS[self.decay]}
        if "total_updates" in options and options["total_updates"] is None:
            options["total_updates"] = self.cfg.max_update
        return options

    def step_update(self, num_updates: int) -> float:
        """Set the rate of the update after the first ``num_updates``."""
        rate = self.schedule(num_updates + 1)
        self.optimizer.set_lr(rate)
        return rate


_CONFIGURATIONS = {"multi_step": MultiStepConfig, "linear": LinearConfig}

for _decay in DECAYS:
    _name = f"zoo_{_decay}" if _decay in LR_SCHEDULER_REGISTRY else _decay
    _own = type(f"{_decay}_config", (_CONFIGURATIONS.get(_decay, ScheduleConfig),), {})
    _kind = type(f"Zoo_{_decay}_schedule", (ZooSchedule,), {"decay": _decay})
    register_lr_scheduler(_name, dataclass=dataclass(_own))(_kind)

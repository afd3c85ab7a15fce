"""What is known of a task and a protocol without any data: their typed configuration.

A task's folder has a ``config.py`` with a subclass of :class:`TaskConfig` for each of its tasks;
:mod:`experiments.tasks.registry` finds them, and loads their data.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ConfigSection(BaseModel):
    """A part of the configuration: immutable, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Presets(ConfigSection):
    """Values that a protocol hands to the optimizer and schedule files by interpolation.

    They are not part of a run's identity: they act only through the fields that they fill.
    """

    lr: float = Field(gt=0, description="α of a single run; an experiment's grid sets its own")
    weight_decay: float = Field(ge=0, description="λ, decoupled for the Adam family")
    beta2: float = Field(gt=0, lt=1)
    warmup_updates: int = Field(ge=1, description="T_w of Adam+warmup")
    freeze_updates: int = Field(ge=0, description="the frozen updates of Adam-2k")
    variant: str = Field("paper", description="RAdam's, see radam.RAdam")
    unit: Literal["epochs", "updates"] = Field("epochs", description="what milestones count")
    milestones: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        (), description="after which the rate falls; those beyond a shorter run do nothing"
    )
    end_lr: float = Field(0.0, ge=0, description="where decays to the end of the run end")


class ProtocolConfig(ConfigSection):
    """How much of a task is run."""

    name: Literal["paper", "recipe", "short", "mini", "smoke"]
    epochs: int | None = Field(gt=0, description="the run ends after so many epochs")
    updates: int | None = Field(
        gt=0, description="... or after so many updates, if these are over first"
    )
    batch_size: int = Field(gt=0, description="examples a batch, over all devices together")
    eval_every: int = Field(gt=0, description="epochs between two evaluations")
    average_epochs: int = Field(
        ge=0,
        description="the test at the end sees the average of the model after the last so many "
        "whole epochs; 0: the model as it is",
    )
    presets: Presets

    @model_validator(mode="after")
    def _has_a_length(self) -> "ProtocolConfig":
        if self.epochs is None and self.updates is None:
            raise ValueError("give the run's length as protocol.epochs or protocol.updates")
        return self


@dataclass(frozen=True)
class Metric:
    """The figure by which runs of a task are compared."""

    name: str
    """Its key in :meth:`~experiments.tasks.task.Task.metrics`."""
    direction: Literal["max", "min"]
    unit: str
    chance: float | None
    """The value of a model that has learned nothing; null where only the data tell it."""

    def better(self, a: float, b: float) -> bool:
        """Whether ``a`` is strictly better than ``b``."""
        return a > b if self.direction == "max" else a < b


@dataclass(frozen=True)
class Resolution:
    """Which dataset a run uses, and why: one line or paragraph for the person."""

    dataset: Literal["real", "standin"]
    reason: str


class TaskConfig(ConfigSection, ABC):
    """What every task has and can say without its data; a task adds its own fields."""

    title: ClassVar[str]
    """What figures and tables call it."""
    of_the_paper: ClassVar[bool] = True
    """Whether the paper has it: else no run of it decides a claim."""
    capturable: ClassVar[tuple[Literal["update", "evaluation"], ...]] = ()
    """What CUDA graphs can hold. An update: batches are named tuples of tensors of a few shapes,
    and the loss reads none of their values. An evaluation: nothing in it comes from the host."""
    probe_batch: ClassVar[int | None] = None
    """A small ``protocol.batch_size`` in proportion to which larger ones take their time, for
    estimates; None: measure the whole."""

    name: str
    dataset: Literal["auto", "real", "standin"] = Field(
        description="real: the paper's data; standin: small embedded data, never compared with "
        "the paper's figures; auto: real where it is found or can be downloaded, else standin"
    )

    @property
    @abstractmethod
    def metric(self) -> Metric:
        """The headline figure; loaded, the task may know its chance level better."""

    @abstractmethod
    def describe(self) -> str:
        """Model and data in a few words, for a person; stands beside every result."""

    @abstractmethod
    def resolve_dataset(self, data_dir: Path) -> Resolution:
        """Decide between ``real`` and ``standin``. May download.

        Raises :class:`~experiments.errors.UserError` if ``real`` was asked for and cannot be had.
        """

    def locate(self, data_dir: Path) -> tuple[Self, str]:
        """This configuration with :attr:`dataset` settled, and why. Raises as above."""
        found = self.resolve_dataset(data_dir)
        return self.model_copy(update={"dataset": found.dataset}), found.reason

    def digest(self, data_dir: Path) -> str | None:
        """The loaded task's :attr:`~experiments.tasks.task.Task.digest`, where that takes seconds.

        None: load them to know. :attr:`dataset` is settled. Raises as :meth:`resolve_dataset`.
        """
        return None

    def batches_per_epoch(self, protocol: ProtocolConfig) -> int | None:
        """The batches of an epoch where the configuration alone tells them, else None."""
        return None

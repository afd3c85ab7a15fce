"""One run, as data: the typed configuration, its checks, and its identity.

Hydra composes YAML from ``configs/``; :func:`experiments.config.validate.resolve` makes a
:class:`RunConfig` of it. Every field is documented here, and nowhere else.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_origin

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_validator,
)

import radam.zoo
from experiments.tasks.config import ConfigSection, ProtocolConfig, TaskConfig
from experiments.tasks.registry import TASKS
from radam.schedules import DECAYS, Decay

SCHEMA_VERSION = 1
"""Part of every run's identity: raise it when the meaning of a scientific field changes."""

CONFIG_DIR = Path(__file__).resolve().parents[2] / "configs"


class OptimizerConfig(ConfigSection):
    """A name of the zoo, α, and the options that the zoo lists for that name."""

    model_config = ConfigDict(extra="allow")

    name: str
    lr: float = Field(gt=0, description="α, the rate after any warmup and before any decay")

    @property
    def options(self) -> dict[str, Any]:
        """Everything but name and rate, as the zoo takes it (pairs such as betas as tuples)."""
        extra = self.model_extra or {}
        return {k: tuple(v) if isinstance(v, list) else v for k, v in extra.items()}

    @property
    def beta2(self) -> float:
        """β2 where the optimizer has one (the untuned warmups follow it), else .999."""
        return float(self.options.get("betas", (0.9, 0.999))[1])

    @model_validator(mode="before")
    @classmethod
    def _numbers_alike(cls, raw: Any) -> Any:
        """0 and 0.0 are one run: numbers are floats, but for those that count updates."""
        if not isinstance(raw, Mapping):
            return raw
        return {k: v if k.endswith("_updates") else _as_float(v) for k, v in raw.items()}

    @model_validator(mode="after")
    def _known_to_the_zoo(self) -> "OptimizerConfig":
        for name, value in self.options.items():
            if isinstance(value, Mapping):
                raise ValueError(f"optimizer.{name}={value}: no option takes a mapping")
        try:
            radam.zoo.check(self.name, self.options)
        except ValueError as error:
            name, _, found = str(error).partition(" is ")
            if name not in self.options:
                raise
            value, _, wanted = found.partition("; ")
            wanted = re.sub(
                r"\((\d[^()]*)\)", r"[\1]", wanted
            )  # a pair, as the command line has it
            raise ValueError(f"optimizer.{name}={value}: {wanted}") from None
        return self


def _as_float(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as_float(item) for item in value]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else value


class Warmup(ConfigSection):
    """How α_t rises to α."""

    kind: Literal["none", "linear", "untuned_linear", "untuned_exponential"]
    updates: int = Field(ge=0, description="T_w; used by `linear` alone")

    @model_validator(mode="after")
    def _length_where_it_is_used(self) -> "Warmup":
        if self.kind == "linear" and self.updates == 0:
            raise ValueError("a linear warmup needs schedule.warmup.updates of at least 1")
        return self


class ScheduleConfig(ConfigSection):
    """A decay of :data:`radam.schedules.DECAYS`, with or without a warmup."""

    name: str
    warmup: Warmup

    @property
    def options(self) -> dict[str, Any]:
        """The decay's own options, as they were written."""
        return {option.name: getattr(self, option.name) for option in DECAYS[self.name].options()}

    @property
    def counted(self) -> list[str]:
        """The options that count, in the unit that ``unit`` says."""
        return [o.name for o in DECAYS[self.name].options() if o.metadata["counts"] == "updates"]

    def in_updates(self, updates_per_epoch: int) -> dict[str, Any]:
        """:attr:`options` with epochs turned into updates."""
        scale = updates_per_epoch if getattr(self, "unit", "updates") == "epochs" else 1
        options = self.options
        for name in self.counted:
            value = options[name]
            whole = isinstance(value, int)
            options[name] = value * scale if whole else tuple(item * scale for item in value)
        return options


def _schedule_config(name: str, decay: type[Decay]) -> type[ScheduleConfig]:
    """The configuration of a decay, read off its fields."""
    options: dict[str, Any] = {"name": Literal[name]}
    for option in decay.options():
        check = AfterValidator(partial(_checked, option.metadata["check"]))
        several = get_origin(option.type) is tuple  # which YAML has as a list
        help = Field(strict=not several, description=option.metadata["help"])
        options[option.name] = Annotated[option.type, check, help]
    if any(option.metadata["counts"] == "updates" for option in decay.options()):
        options["unit"] = Literal["epochs", "updates"]
    required: dict[str, Any] = {key: (annotation, ...) for key, annotation in options.items()}
    return create_model(
        f"{decay.__name__}Config", __base__=ScheduleConfig, __doc__=decay.__doc__ or "", **required
    )


def _checked(remedy: Callable[[Any], str | None], value: Any) -> Any:
    if wanted := remedy(value):
        raise ValueError(wanted)
    return value


SCHEDULES: Mapping[str, type[ScheduleConfig]] = {
    name: _schedule_config(name, decay) for name, decay in DECAYS.items()
}
"""The configurations of schedules by name."""

globals().update({made.__name__: made for made in SCHEDULES.values()})  # where pickle looks

if TYPE_CHECKING:
    AnySchedule = ScheduleConfig
    AnyTask = TaskConfig
else:  # pydantic tells the classes of a registry apart by their names
    AnySchedule = Annotated[Union[tuple(SCHEDULES.values())], Field(discriminator="name")]  # noqa: UP007
    AnyTask = Annotated[Union[tuple(TASKS.values())], Field(discriminator="name")]  # noqa: UP007


class TrainingConfig(ConfigSection):
    """How an update is computed: what can change the numbers."""

    precision: Literal["fp32", "tf32", "bf16"] = Field(
        description="fp32: exact; tf32: matrix products in TF32 (CUDA); bf16: autocast, and tf32 "
        "for what that leaves in float32"
    )
    grad_clip: float | None = Field(gt=0, description="largest gradient norm; null: no clipping")
    accumulate: int = Field(gt=0, description="batches whose gradients make one update")


class HistogramsConfig(ConfigSection):
    """Histograms of gradients and of what the update made of them (Figs. 2 and 3)."""

    record: bool = Field(description="whether this run takes them")
    updates: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(strict=False)] | None = Field(
        description="at which updates; null: 1, 5, 10, 25, 50, 75, 100, 128, 256, ..., the last"
    )
    by_layer: bool = Field(description="also for each layer")


def _folder(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip() or "\0" in value:
        raise ValueError("write the path of a folder")  # an empty one would be where one stands
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("no such user; write the path from / on") from None


Folder = Annotated[Path, BeforeValidator(_folder)]
"""A path, where ``~`` is the person's home, as a shell reads it."""


class RunnerConfig(ConfigSection):
    """Where and how a run is carried out: nothing here changes the numbers."""

    device: str = Field(description="auto, cpu, cuda, cuda:1, ...")
    capture: bool | Literal["auto"] = Field(
        "auto",  # which runs of stores from before it have
        description="whether updates are replayed as CUDA graphs; auto: on CUDA, where their "
        "shapes and the optimizer allow it; every result says whether they were",
    )
    threads: int | None = Field(gt=0, le=1024, description="CPU threads; null: as torch chooses")
    workers: int | None = Field(
        ge=0,
        le=1024,
        description="processes that read data (0: none apart); null: as the machine suggests",
    )
    data_dir: Folder = Field(strict=False, description="where the datasets lie (RADAM_DATA)")
    runs_dir: Folder = Field(strict=False, description="the store")
    checkpoint_seconds: float = Field(
        ge=0, description="least time between two checkpoints (0: after every update)"
    )
    record_every: int | None = Field(
        gt=0, description="updates between two training records; null: one an epoch"
    )
    stop_after: int | None = Field(
        None,  # which runs of stores from before it have
        gt=0,
        description="stop at a checkpoint after this update, to go on later; null: at the end. The "
        "schedule is that of the whole run",
    )
    histograms: HistogramsConfig


class LocalTracking(ConfigSection):
    """The store alone."""

    name: Literal["local"]


class WandbTracking(ConfigSection):
    """The store, mirrored to Weights & Biases (``WANDB_MODE=disabled`` switches it off too)."""

    name: Literal["wandb"]
    project: str = Field(description="at most 128 signs, without / \\ # ? % :")
    entity: str | None = Field(description="the team; null: the owner of the key")
    mode: Literal["auto", "online", "offline"] = Field(
        description="auto: online where there is an API key, else offline"
    )

    @field_validator("project")
    @classmethod
    def _wandb_takes_it(cls, value: str) -> str:
        if not re.fullmatch(r"[^/\\#?%:\n]{1,128}", value) or not value.strip():
            raise ValueError("write 1 to 128 signs, without / \\ # ? % :")
        return value

    @field_validator("entity")
    @classmethod
    def _could_be_a_team(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w-]+", value, re.ASCII):
            raise ValueError("write a team's name: letters, digits, - and _")
        return value


class RunConfig(ConfigSection):
    """One task × optimizer × schedule × protocol × seed, and how to run it."""

    task: AnyTask
    protocol: ProtocolConfig
    optimizer: OptimizerConfig
    schedule: AnySchedule
    training: TrainingConfig
    seed: int = Field(ge=0, lt=2**31)
    experiment: str | None = Field(description="the experiment that asked for this run")
    runner: RunnerConfig
    tracking: Annotated[LocalTracking | WandbTracking, Field(discriminator="name")]

    @model_validator(mode="after")
    def _warmup_is_the_methods(self) -> "RunConfig":
        wanted = radam.zoo.ZOO[self.optimizer.name].warmup
        if wanted is not None and self.schedule.warmup.kind != wanted:
            raise ValueError(
                f"schedule.warmup.kind={self.schedule.warmup.kind}: optimizer "
                f"{self.optimizer.name} is Adam with the warmup {wanted}; write "
                f"schedule.warmup.kind={wanted}, or choose optimizer=adam"
            )
        warmup = self.schedule.warmup
        if warmup.kind != "linear" and warmup.updates:  # else one run would have many ids
            raise ValueError(
                f"schedule.warmup.updates={warmup.updates}: only a linear warmup has a length; "
                "write schedule.warmup.kind=linear, or choose optimizer=adam_warmup"
            )
        return self

    @property
    def method_label(self) -> str:
        """For people: ``adam_warmup(64)``."""
        warmup = self.schedule.warmup
        length = f"({warmup.updates})" if warmup.kind == "linear" else ""
        return f"{self.optimizer.name}{length}"

    @property
    def setting_label(self) -> str:
        """Without the seed: ``adam_warmup(64) α=0.03``."""
        return f"{self.method_label} α={self.optimizer.lr:g}"

    @property
    def label(self) -> str:
        """The run in a few words: ``adam_warmup(64) α=0.03 seed 1``."""
        return f"{self.setting_label} seed {self.seed}"

    @property
    def identity(self) -> dict[str, Any]:
        """The scientific configuration: all that can change the numbers, and nothing else."""
        scientific = self.model_dump(
            mode="json", include={"task", "protocol", "optimizer", "schedule", "training", "seed"}
        )
        del scientific["protocol"]["presets"]
        return {"schema": SCHEMA_VERSION, **scientific}

    @property
    def run_id(self) -> str:
        """Twelve hexadecimal digits of the hash of :attr:`identity`."""
        if self.task.dataset == "auto":
            raise ValueError("resolve task.dataset before asking for the run's id")
        canonical = json.dumps(self.identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """The run's folder in the store: the same configuration always finds the same one."""
        return self.runner.runs_dir / self.task.name / self.run_id

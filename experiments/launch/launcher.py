"""Where runs go: the typed settings of ``configs/launcher/``."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from omegaconf import DictConfig
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from experiments.config.compose import compose
from experiments.config.validate import explain, one_spelling, plain
from experiments.errors import UserError
from experiments.tasks.config import ConfigSection

Engine = Literal["docker", "podman", "apptainer", "charliecloud", "pyxis"]

Strings = Annotated[tuple[str, ...], Field(strict=False)]


class ContainerSettings(ConfigSection):
    """What every launcher knows of containers."""

    container: Engine | None = Field(description="what starts each run's container; null: none")
    image: str | None = Field(description="a tag, a .sif file or an image folder, as it takes")
    container_options: Strings = Field(description="more options for it, such as --network=none")

    @model_validator(mode="after")
    def _image_with_container(self) -> "ContainerSettings":
        if self.container is not None and self.image is None:
            raise ValueError(f"launcher.container={self.container} needs launcher.image=...")
        return self


class LocalLauncher(ContainerSettings):
    """Runs side by side on this machine, each in a process of its own."""

    name: Literal["local"]
    jobs: int | None = Field(gt=0, description="runs at a time; null: as the device suggests")
    mps: bool = Field(
        True,  # which submissions from before it have
        description="whether runs that share a GPU do so through NVIDIA's MPS, where it works; "
        "false: they take turns",
    )

    @model_validator(mode="after")
    def _no_pyxis(self) -> "LocalLauncher":
        if self.container == "pyxis":
            raise ValueError("launcher.container=pyxis is a part of SLURM; write launcher=slurm")
        return self


class SlurmLauncher(ContainerSettings):
    """One ``sbatch`` array over the unfinished runs of a sweep, and a report after it."""

    name: Literal["slurm"]
    partition: str | None = Field(description="null: the cluster's default")
    account: str | None
    time: int | str = Field(description="a job's limit: minutes, or as SLURM writes it")
    memory: str | None = Field(description="a node's, such as 16G; null: the cluster's default")
    gpus: int = Field(ge=0, description="a node's")
    nodes: int = Field(gt=0, description="of one run")
    tasks_per_node: int = Field(gt=0, description="processes of one run on a node: one a GPU")
    cpus: int = Field(gt=0, description="cores of a process")
    constraint: str | None
    at_once: int | None = Field(gt=0, description="jobs at a time (the array's % throttle)")
    directives: Strings = Field(description="further sbatch options, such as --qos=long")
    setup: Strings = Field(description="shell lines before the run, such as module load cuda")
    runs_per_job: int = Field(gt=0, description="runs side by side in one job, sharing its GPU")
    requeues: int = Field(ge=0, description="how often one job may be queued again")
    notice: int = Field(gt=0, description="seconds before the time limit to stop and save")

    @field_validator("time")
    @classmethod
    def _slurms_time(cls, value: int | str) -> int | str:
        if not re.fullmatch(r"(\d+-)?\d+(:\d\d){0,2}", str(value)) or not str(value).strip("0:-"):
            raise ValueError("write minutes, 4:00:00 or 1-12:00:00")
        return value

    @field_validator("directives")
    @classmethod
    def _are_options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [v for v in value if not v.startswith("-") or "\n" in v]:
            raise ValueError(f"{wrong[0]!r} is no sbatch option; write such as --qos=long")
        return value

    @model_validator(mode="after")
    def _one_step_a_run(self) -> "SlurmLauncher":
        if self.runs_per_job > 1 and self.nodes * self.tasks_per_node > 1:
            raise ValueError(
                f"launcher.runs_per_job={self.runs_per_job}: runs of several processes do not "
                "share a job; write launcher.runs_per_job=1"
            )
        return self


Launcher = LocalLauncher | SlurmLauncher

_TYPE: TypeAdapter[Launcher] = TypeAdapter(Annotated[Launcher, Field(discriminator="name")])


def read_launcher(overrides: Sequence[str]) -> Launcher:
    """The launcher that ``launcher...=...`` overrides choose.

    Raises :class:`UserError` naming field, value and remedy.
    """
    return typed_launcher(compose(overrides))


def typed_launcher(composed: DictConfig) -> Launcher:
    """The launcher of what Hydra composed. Raises as above."""
    raw = one_spelling(plain(composed)["launcher"], "launcher")
    try:
        return _TYPE.validate_python(raw)
    except ValidationError as error:
        raise UserError(explain(error, raw, within="launcher")) from None

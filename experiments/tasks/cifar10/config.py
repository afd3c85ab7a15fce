"""CIFAR-10 without its data: sizes of the network and of what is read."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from experiments.tasks.config import Metric, ProtocolConfig, Resolution, TaskConfig

AVAILABLE = {"real": (50_000, 10_000), "standin": (1_433, 364)}
"""Training and test images there are."""


Channels = Annotated[int, Field(gt=0)]


class Cifar10Config(TaskConfig):
    """Sizes of the network and of the data; the protocol sets them."""

    title = "CIFAR-10"
    capturable = ("update", "evaluation")

    name: Literal["cifar10"]
    depth: int = Field(ge=8, description="layers of the network: 6n + 2; the paper's is 20")
    widths: Annotated[
        tuple[Channels, Channels, Channels],
        Field(strict=False, description="channels of the three stages; the paper's: 16, 32, 64"),
    ]
    train_examples: int | None = Field(gt=0, description="the first so many; null: all")
    test_examples: int | None = Field(gt=0, description="the first so many; null: all")
    validation_examples: int = Field(
        ge=0, description="taken from the end of the training examples; the paper takes none"
    )

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> "Cifar10Config":
        train, _ = self._sizes()
        if self.validation_examples >= train:
            raise ValueError(
                f"task.validation_examples={self.validation_examples}: there are {train} training "
                f"examples to take them from; write less than {train}"
            )
        return self

    @field_validator("depth")
    @classmethod
    def _six_n_plus_two(cls, value: int) -> int:
        if (value - 2) % 6:
            raise ValueError(f"depth {value} is not 6n + 2; write 8, 14, 20, 26, ...")
        return value

    @property
    def metric(self) -> Metric:
        return Metric("accuracy", "max", "%", chance=10.0)

    def describe(self) -> str:
        images = "handwritten digits (STAND-IN)" if self.dataset == "standin" else "images"
        train, test = self._sizes()
        return (
            f"ResNet-{self.depth} with {'-'.join(map(str, self.widths))} channels, "
            f"{train - self.validation_examples:,} training and {test:,} test {images}"
        )

    def resolve_dataset(self, data_dir: Path) -> Resolution:
        from experiments.tasks.cifar10.data import resolve_dataset

        return resolve_dataset(self.dataset, data_dir)

    def digest(self, data_dir: Path) -> str:
        """The real data are the published ones bit for bit, or are not read."""
        return "CIFAR-10" if self.dataset == "real" else "scikit-learn's digits"

    def batches_per_epoch(self, protocol: ProtocolConfig) -> int | None:
        if self.dataset == "auto":
            return None
        return math.ceil((self._sizes()[0] - self.validation_examples) / protocol.batch_size)

    def _sizes(self) -> tuple[int, int]:
        """How many training and test images a run reads, validation included."""
        train, test = AVAILABLE["standin" if self.dataset == "standin" else "real"]
        return min(self.train_examples or train, train), min(self.test_examples or test, test)

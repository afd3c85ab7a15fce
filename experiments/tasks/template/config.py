"""The template without its data: what is asked of a configuration, and nothing more."""

import math
from pathlib import Path
from typing import Literal

from pydantic import Field

from experiments.errors import UserError
from experiments.tasks.config import Metric, ProtocolConfig, Resolution, TaskConfig


class TemplateConfig(TaskConfig):
    """Sizes of the network and of the data; the protocol sets them."""

    title = "Template"
    of_the_paper = False

    name: Literal["template"]
    width: int = Field(gt=0, description="hidden units")
    features: int = Field(gt=0, description="numbers an example has")
    classes: int = Field(gt=1, description="around whose centres the examples lie")
    train_examples: int = Field(gt=0, description="drawn for training")
    test_examples: int = Field(gt=0, description="drawn for the test")

    @property
    def metric(self) -> Metric:
        return Metric("accuracy", "max", "%", chance=100 / self.classes)

    def describe(self) -> str:
        return (
            f"one hidden layer of {self.width}, {self.train_examples:,} training and "
            f"{self.test_examples:,} test points (STAND-IN: random numbers)"
        )

    def resolve_dataset(self, data_dir: Path) -> Resolution:
        if self.dataset == "real":
            raise UserError("task.dataset=real: the template has random numbers; write standin")
        return Resolution("standin", "STAND-IN: random numbers, drawn anew for every seed.")

    def batches_per_epoch(self, protocol: ProtocolConfig) -> int | None:
        return math.ceil(self.train_examples / protocol.batch_size)

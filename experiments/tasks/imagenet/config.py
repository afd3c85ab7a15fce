"""ImageNet without its data: what is read of it, and how it is cut."""

import math
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from experiments.tasks.config import Metric, ProtocolConfig, Resolution, TaskConfig
from experiments.tasks.imagenet.sizes import REAL, STANDIN_TEST, STANDIN_TRAIN


class ImageNetConfig(TaskConfig):
    """What is read of the data, and how it is cut; the protocol sets the sizes."""

    title = "ImageNet"
    capturable = ("update",)  # an evaluation waits for files
    probe_batch = 8

    name: Literal["imagenet"]
    source: Literal["folder", "huggingface"] = Field(
        description="where ImageNet comes from: a folder or the archives under runner.data_dir, "
        "or Hugging Face's ILSVRC/imagenet-1k"
    )
    loader: Literal["torch", "dali"] = Field(
        description="torch: DataLoader workers; dali: NVIDIA DALI decodes and resizes"
    )
    damaged: Literal["fatal", "skip"] = Field(
        description="a damaged picture ends the run, or is left out and counted in the result"
    )
    crop: int = Field(ge=32, description="sides of what the network is shown; the paper's: 224")
    resize: int = Field(ge=32, description="the shorter side before the test's central crop")
    classes: int | None = Field(gt=1, description="the first so many; null: all")
    train_per_class: int | None = Field(gt=0, le=732, description="null: all; none has fewer")
    test_per_class: int | None = Field(gt=0, le=50, description="null: all")

    @model_validator(mode="after")
    def _crop_inside(self) -> "ImageNetConfig":
        if self.resize < self.crop:
            raise ValueError(
                f"task.resize={self.resize}: smaller than the crop; write task.crop={self.crop} "
                "or more"
            )
        return self

    @property
    def metric(self) -> Metric:
        return Metric("accuracy", "max", "%", chance=100 / self._sizes()[0])

    def describe(self) -> str:
        pictures = "rendered digits (STAND-IN)" if self.dataset == "standin" else "images"
        classes, train, test = self._sizes()
        return (
            f"ResNet-18 at {self.crop} pixels, {train:,} training and {test:,} test {pictures} "
            f"of {classes:,} classes"
        )

    def resolve_dataset(self, data_dir: Path) -> Resolution:
        from experiments.tasks.imagenet.data import resolve_imagenet

        return resolve_imagenet(self.dataset, self.source, data_dir)

    def batches_per_epoch(self, protocol: ProtocolConfig) -> int | None:
        if self.dataset == "auto":
            return None
        return math.ceil(self._sizes()[1] / protocol.batch_size)

    def _sizes(self) -> tuple[int, int, int]:
        """Classes, training and test images that a run reads, if none is damaged."""
        if self.dataset == "standin":
            train = [min(n, self.train_per_class or n) for n in STANDIN_TRAIN[: self.classes]]
            test = [min(n, self.test_per_class or n) for n in STANDIN_TEST[: self.classes]]
            return len(train), sum(train), sum(test)
        classes = min(self.classes or REAL.classes, REAL.classes)
        # Without a number a class, a part of the classes is counted when they are read.
        train_each, test_each = self.train_per_class, self.test_per_class
        return (
            classes,
            train_each * classes if train_each else REAL.train * classes // REAL.classes,
            test_each * classes if test_each else REAL.test * classes // REAL.classes,
        )

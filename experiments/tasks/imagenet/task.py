"""ImageNet with ResNet-18 (the paper's Table 1, Fig. 5 and §5.1)."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Sampler

from experiments.config.schema import ProtocolConfig, TaskConfig
from experiments.errors import UserError
from experiments.ranks import check_divisible, place
from experiments.tasks.imagenet.data import (
    MEAN,
    REAL,
    STD,
    Part,
    load_imagenet,
    resolve_imagenet,
)
from experiments.tasks.imagenet.loader import (
    CutPictures,
    Cutting,
    Loader,
    PixelBatch,
    Request,
    TestOrder,
    TrainingOrder,
)
from experiments.tasks.imagenet.standin import TEST, TRAIN
from experiments.tasks.shared.augment import Normalise
from experiments.tasks.task import Counts, Metric, Split, Task, add_counts

Batches = Iterable[PixelBatch]

MOST_WORKERS = 16
"""More reading processes than these keep no single GPU busier."""


class ImageNetConfig(TaskConfig):
    """What is read of the data, and how it is cut; the protocol sets the sizes."""

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


class ImageNet(Task[PixelBatch]):
    """Pictures come from worker processes as bytes and are normalised on the device."""

    Config = ImageNetConfig
    metric: ClassVar[Metric] = Metric("accuracy", "max", "%", chance=100 / REAL.classes)
    capturable = ("update",)  # an evaluation waits for files
    telling_batch: ClassVar[int | None] = 8

    @classmethod
    def locate(cls, config: TaskConfig, data_dir: Path) -> tuple[TaskConfig, str]:
        assert isinstance(config, ImageNetConfig)
        found = resolve_imagenet(config.dataset, config.source, data_dir)
        return config.model_copy(update={"dataset": found.dataset}), found.reason

    @classmethod
    def describe(cls, config: TaskConfig) -> str:
        assert isinstance(config, ImageNetConfig)
        pictures = "rendered digits (STAND-IN)" if config.dataset == "standin" else "images"
        classes, train, test = _sizes(config)
        return (
            f"ResNet-18 at {config.crop} pixels, {train:,} training and {test:,} test {pictures} "
            f"of {classes:,} classes"
        )

    @classmethod
    def batches_per_epoch(cls, config: TaskConfig, protocol: ProtocolConfig) -> int | None:
        assert isinstance(config, ImageNetConfig)
        if config.dataset == "auto":
            return None
        return math.ceil(_sizes(config)[1] / protocol.batch_size)

    def __init__(
        self,
        config: ImageNetConfig,
        protocol: ProtocolConfig,
        *,
        data_dir: Path,
        device: torch.device,
        seed: int,
    ) -> None:
        assert config.dataset != "auto"
        check_divisible(protocol.batch_size)
        part = Part(config.classes, config.train_per_class, config.test_per_class)
        data = load_imagenet(
            data_dir,
            dataset=config.dataset,
            source=config.source,
            part=part,
            damaged=config.damaged,
        )
        self.config, self.device = config, device
        self.classes, self.skipped, self.origin = data.classes, data.skipped, data.origin
        self.metric = replace(type(self).metric, chance=100 / data.classes)  # type: ignore[misc]
        train, test = len(data.train.labels), len(data.test.labels)
        if train < protocol.batch_size:
            raise UserError(
                f"protocol.batch_size={protocol.batch_size}: larger than the {train} training "
                "images; write a smaller one"
            )
        self.updates_per_epoch = math.ceil(train / protocol.batch_size)
        self.held_out_examples, self.splits = test, ("test",)
        self.normalise = Normalise(MEAN, STD, device)
        self.order = TrainingOrder(seed, train, protocol.batch_size)
        cutting = Cutting(seed, config.crop, config.resize)
        self.pictures = CutPictures(data.train, cutting), CutPictures(data.test, cutting)
        self.loaders: tuple[Batches, Batches] | None = None

    def build_model(self) -> nn.Module:
        # Here and not above: slow to import, and asking for sizes needs no network.
        from torchvision.models import resnet18

        model = resnet18(num_classes=self.classes)
        return model.to(self.device, memory_format=torch.channels_last)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[PixelBatch]:
        self.order.epoch, self.order.skip = epoch, skip
        yield from self._loaders()[0]

    def loss(self, model: nn.Module, batch: PixelBatch) -> tuple[Tensor, Counts]:
        logits = model(self.normalise(batch.pixels))
        loss = F.cross_entropy(logits, batch.labels)
        return loss, _count(logits.detach(), batch.labels, loss.detach())

    def evaluate(self, model: nn.Module, split: Split) -> Counts:
        model.eval()
        total = Counts()
        for batch in self._loaders()[1]:
            logits = model(self.normalise(batch.pixels))
            loss = F.cross_entropy(logits, batch.labels)
            add_counts(total, _count(logits, batch.labels, loss))
        return total

    def metrics(self, counts: Mapping[str, float]) -> dict[str, float]:
        return {
            "loss": counts["loss"] / counts["count"],
            "accuracy": 100 * counts["correct"] / counts["count"],
            "accuracy_top5": 100 * counts["correct_top5"] / counts["count"],
        }

    def _loaders(self) -> tuple[Batches, Batches]:
        """For training and testing; made when first used, so that asking for sizes costs little."""
        if self.loaders is None:
            train, test = self.pictures
            test_order = TestOrder(self.held_out_examples, self.order.batch_size)
            self.loaders = self._loader(train, self.order), self._loader(test, test_order)
        return self.loaders

    def _loader(self, pictures: CutPictures, order: Sampler[list[Request]]) -> Batches:
        workers = suggest_workers(self.device) if self.workers is None else self.workers
        if self.config.loader == "dali":
            from experiments.tasks.imagenet.dali import DaliLoader

            return DaliLoader(pictures, order, workers, self.device)
        return Loader(pictures, order, workers, self.device)


def _sizes(config: ImageNetConfig) -> tuple[int, int, int]:
    """Classes, training and test images that a run reads, if none is damaged."""
    if config.dataset == "standin":
        train = [min(n, config.train_per_class or n) for n in TRAIN[: config.classes]]
        test = [min(n, config.test_per_class or n) for n in TEST[: config.classes]]
        return len(train), sum(train), sum(test)
    classes = min(config.classes or REAL.classes, REAL.classes)
    # Without a number a class, a part of the classes is counted when they are read.
    train_each, test_each = config.train_per_class, config.test_per_class
    return (
        classes,
        train_each * classes if train_each else REAL.train * classes // REAL.classes,
        test_each * classes if test_each else REAL.test * classes // REAL.classes,
    )


def suggest_workers(device: torch.device) -> int:
    """Reading processes beside one that computes on ``device``.

    With a GPU the cores have nothing else to do; without, one keeps it from waiting for files.
    """
    if device.type != "cuda":
        return 1
    return max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) // place().local_world_size))


def _count(logits: Tensor, labels: Tensor, mean_loss: Tensor) -> Counts:
    best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return {
        "count": labels.new_full((), len(labels)),
        "loss": mean_loss.double() * len(labels),
        "correct": best[:, 0].sum(),
        "correct_top5": best.sum(),
    }


TASK = ImageNet

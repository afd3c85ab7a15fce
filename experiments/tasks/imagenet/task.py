"""ImageNet with ResNet-18 (the paper's Table 1, Fig. 5 and §5.1)."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Sampler

from experiments.errors import UserError
from experiments.ranks import check_divisible, place
from experiments.tasks.config import ProtocolConfig
from experiments.tasks.imagenet.config import ImageNetConfig
from experiments.tasks.imagenet.data import MEAN, STD, Subset, load_imagenet
from experiments.tasks.imagenet.loader import (
    CutPictures,
    Cutting,
    Loader,
    PixelBatch,
    Request,
    TestOrder,
    TrainingOrder,
)
from experiments.tasks.shared.augment import Normalise
from experiments.tasks.task import Counts, Split, Task, add_counts

Batches = Iterable[PixelBatch]

MOST_WORKERS = 16
"""More reading processes than these keep no single GPU busier."""


class ImageNet(Task[PixelBatch]):
    """Pictures come from worker processes as bytes and are normalised on the device."""

    config: ImageNetConfig

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
        part = Subset(config.classes, config.train_per_class, config.test_per_class)
        data = load_imagenet(
            data_dir,
            dataset=config.dataset,
            source=config.source,
            part=part,
            damaged=config.damaged,
        )
        self.config, self.device = config, device
        self.classes, self.skipped = data.classes, data.skipped
        self.origin, self.digest = data.origin, data.digest
        self.metric = replace(config.metric, chance=100 / data.classes)
        train, test = len(data.train.labels), len(data.test.labels)
        if train < protocol.batch_size:
            raise UserError(
                f"protocol.batch_size={protocol.batch_size}: larger than the {train} training "
                "images; write a smaller one"
            )
        self.batches_per_epoch = math.ceil(train / protocol.batch_size)
        self.held_out_examples, self.splits = test, ("test",)
        self.normalise = Normalise(MEAN, STD, device)
        self.order = TrainingOrder(seed, train, protocol.batch_size)
        cutting = Cutting(seed, config.crop, config.resize)
        self.pictures = CutPictures(data.train, cutting), CutPictures(data.test, cutting)
        self.loaders: tuple[Batches, Batches] | None = None
        if config.loader == "dali":
            import experiments.tasks.imagenet.dali  # noqa: F401  says now if it is not installed

    def build_model(self) -> nn.Module:
        # Here and not above: slow to import, and asking for sizes needs no network.
        from torchvision.models import resnet18

        model: nn.Module = resnet18(num_classes=self.classes)
        return model.to(self.device).to(memory_format=torch.channels_last)

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

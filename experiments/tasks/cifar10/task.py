"""CIFAR-10 with a residual network (the paper's Table 1 and Figs. 5-7)."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.errors import UserError
from experiments.ranks import check_divisible, rank_slice
from experiments.tasks.cifar10.config import Cifar10Config
from experiments.tasks.cifar10.data import load_cifar10
from experiments.tasks.cifar10.model import ResNetCifar
from experiments.tasks.config import ProtocolConfig
from experiments.tasks.shared.augment import Normalise, crop_and_flip, pad, plan_epoch
from experiments.tasks.shared.images import LabelledImages
from experiments.tasks.task import Counts, Split, Task, add_counts

TEST_BATCHES = {"cuda": 1000}
"""Images that are evaluated at once where 100 leave the device waiting for launches."""


class CropBatch(NamedTuple):
    """Which training images, and how each is cropped and flipped."""

    plan: Tensor
    """int64 [4, B], as in :meth:`EpochPlan.rows`."""


class Cifar10(Task[CropBatch]):
    """The images lie on the device as bytes and are augmented there, a whole batch at a time."""

    config: Cifar10Config

    def __init__(
        self,
        config: Cifar10Config,
        protocol: ProtocolConfig,
        *,
        data_dir: Path,
        device: torch.device,
        seed: int,
    ) -> None:
        assert config.dataset != "auto"
        check_divisible(protocol.batch_size)
        data = load_cifar10(data_dir, dataset=config.dataset)
        self.config, self.device, self.seed = config, device, seed
        self.metric, self.digest = config.metric, config.digest(data_dir)
        self.batch_size, self.classes, self.origin = protocol.batch_size, data.classes, data.origin
        train = _first(data.train, config.train_examples)
        kept = len(train) - config.validation_examples
        if kept < protocol.batch_size:
            raise UserError(
                f"protocol.batch_size={protocol.batch_size}: larger than the {kept} training "
                "examples; write a smaller one"
            )
        self.train = _slice(train, 0, kept, device)
        self.padded = pad(self.train.pixels)
        held_out = {"test": _slice(_first(data.test, config.test_examples), 0, None, device)}
        if config.validation_examples:
            held_out["validation"] = _slice(train, kept, None, device)
        self.held_out: dict[str, LabelledImages] = held_out
        self.splits = ("validation", "test") if config.validation_examples else ("test",)
        self.normalise = Normalise(data.mean, data.std, device)
        self.batches_per_epoch = math.ceil(kept / protocol.batch_size)
        self.held_out_examples = sum(len(images) for images in held_out.values())

    def build_model(self) -> nn.Module:
        return ResNetCifar(self.config.depth, self.config.widths, self.classes).to(self.device)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[CropBatch]:
        plan = plan_epoch(self.seed, epoch, len(self.train)).rows().to(self.device)
        for start in range(skip * self.batch_size, len(self.train), self.batch_size):
            mine = rank_slice(min(self.batch_size, len(self.train) - start))
            here = slice(start + mine.start, start + mine.stop)
            yield CropBatch(plan[:, here])

    def loss(self, model: nn.Module, batch: CropBatch) -> tuple[Tensor, Counts]:
        images, top, left, flip = batch.plan
        labels = self.train.labels[images]
        logits = model(self.normalise(crop_and_flip(self.padded, images, top, left, flip.bool())))
        loss = F.cross_entropy(logits, labels)
        return loss, _count(logits.detach(), labels, loss.detach())

    def evaluate(self, model: nn.Module, split: Split) -> Counts:
        model.eval()
        images, total = self.held_out[split], Counts()
        mine, batch = rank_slice(len(images)), TEST_BATCHES.get(self.device.type, 100)
        for start in range(mine.start, mine.stop, batch):
            here = slice(start, min(start + batch, mine.stop))
            labels = images.labels[here]
            logits = model(self.normalise(images.pixels[here]))
            add_counts(total, _count(logits, labels, F.cross_entropy(logits, labels)))
        return total

    def metrics(self, counts: Mapping[str, float]) -> dict[str, float]:
        return {
            "loss": counts["loss"] / counts["count"],
            "accuracy": 100 * counts["correct"] / counts["count"],
        }


def _count(logits: Tensor, labels: Tensor, mean_loss: Tensor) -> Counts:
    return {
        "count": labels.new_full((), len(labels)),
        "loss": mean_loss.double() * len(labels),
        "correct": (logits.argmax(1) == labels).sum(),
    }


def _first(images: LabelledImages, n: int | None) -> LabelledImages:
    return _slice(images, 0, n, images.pixels.device)


def _slice(
    images: LabelledImages, start: int, stop: int | None, device: torch.device
) -> LabelledImages:
    return LabelledImages(
        images.pixels[start:stop].to(device), images.labels[start:stop].to(device)
    )


TASK = Cifar10

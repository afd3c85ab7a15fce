"""Random points around the centres of classes, told apart by a network with one hidden layer."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.ranks import check_divisible, rank_slice
from experiments.tasks.config import ProtocolConfig
from experiments.tasks.task import Counts, Split, Task
from experiments.tasks.template.config import TemplateConfig


class Points(NamedTuple):
    """Examples on the device."""

    features: Tensor
    """float32 [n, features]."""
    labels: Tensor
    """int64 [n], 0 to classes − 1."""


class Template(Task[Points]):
    """A batch is the next points of an order that seed and epoch decide."""

    config: TemplateConfig
    splits = ("test",)
    origin = "STAND-IN: random numbers"
    digest = "random numbers"

    def __init__(
        self,
        config: TemplateConfig,
        protocol: ProtocolConfig,
        *,
        data_dir: Path,
        device: torch.device,
        seed: int,
    ) -> None:
        check_divisible(protocol.batch_size)
        self.config, self.device, self.seed = config, device, seed
        self.metric, self.batch_size = config.metric, protocol.batch_size
        draw = torch.Generator().manual_seed(seed)
        centres = torch.randn(config.classes, config.features, generator=draw)
        self.train, self.test = (
            _points(centres, n, draw, device) for n in (config.train_examples, config.test_examples)
        )
        self.batches_per_epoch = math.ceil(config.train_examples / protocol.batch_size)
        self.held_out_examples = config.test_examples

    def build_model(self) -> nn.Module:
        sizes = self.config
        return nn.Sequential(
            nn.Linear(sizes.features, sizes.width),
            nn.ReLU(),
            nn.Linear(sizes.width, sizes.classes),
        ).to(self.device)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Points]:
        draw = torch.Generator().manual_seed(2**32 * self.seed + epoch)
        order = torch.randperm(len(self.train.labels), generator=draw).to(self.device)
        for start in range(skip * self.batch_size, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            mine = batch[rank_slice(len(batch))]
            yield Points(self.train.features[mine], self.train.labels[mine])

    def loss(self, model: nn.Module, batch: Points) -> tuple[Tensor, Counts]:
        logits = model(batch.features)
        loss = F.cross_entropy(logits, batch.labels)
        return loss, _count(logits.detach(), batch.labels)

    def evaluate(self, model: nn.Module, split: Split) -> Counts:
        model.eval()
        mine = rank_slice(len(self.test.labels))
        return _count(model(self.test.features[mine]), self.test.labels[mine])

    def metrics(self, counts: Mapping[str, float]) -> dict[str, float]:
        return {
            "loss": counts["loss"] / counts["count"],
            "accuracy": 100 * counts["correct"] / counts["count"],
        }


def _points(centres: Tensor, n: int, draw: torch.Generator, device: torch.device) -> Points:
    labels = torch.randint(len(centres), (n,), generator=draw)
    noise = torch.randn(n, centres.shape[1], generator=draw)
    return Points((centres[labels] + noise).to(device), labels.to(device))


def _count(logits: Tensor, labels: Tensor) -> Counts:
    return {
        "count": labels.new_full((), len(labels)),
        "loss": F.cross_entropy(logits, labels, reduction="sum").double(),
        "correct": (logits.argmax(1) == labels).sum(),
    }


TASK = Template

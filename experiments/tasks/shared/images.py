"""Labelled images that stay in memory as bytes; what every image dataset of that size becomes."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class LabelledImages:
    """Images and their classes, row for row."""

    pixels: Tensor
    """uint8 [N, 3, H, W], contiguous, red-green-blue, 0-255."""
    labels: Tensor
    """int64 [N], 0 to classes − 1."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageDataset:
    """The training and test images of one dataset, and what a person should know of them."""

    dataset: Literal["real", "standin"]
    train: LabelledImages
    test: LabelledImages
    classes: int
    mean: tuple[float, float, float]
    """Per channel, of pixels scaled to 0-1; with ``std`` the normalisation of the inputs."""
    std: tuple[float, float, float]
    origin: str
    """One line: what was read, and from where."""

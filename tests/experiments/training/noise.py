"""Runs of a small network on images of noise, for what does not depend on the data."""

import torch

from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.tasks.cifar10.data import MEAN, STD
from experiments.tasks.shared.images import ImageDataset, LabelledImages


def noise_images(examples: int) -> ImageDataset:
    """As many images, the same ones for training and testing."""
    generator = torch.Generator().manual_seed(0)
    shape = (examples, 3, 32, 32)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    images = LabelledImages(pixels, torch.randint(0, 10, (examples,), generator=generator))
    return ImageDataset("real", images, images, 10, MEAN, STD, "noise")


def configure(*words: str) -> RunConfig:
    """A run on 70 images: every third batch of 32 has 6."""
    sizes = ["task.train_examples=70", "task.test_examples=70"]
    if any(word.startswith("task=") for word in words):
        sizes = []
    return resolve(compose(["protocol=smoke", "task.dataset=real", *sizes, *words]))

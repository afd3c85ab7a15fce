"""The stand-in for CIFAR-10: scikit-learn's handwritten digits as 32×32 colour images."""

import numpy as np
import torch

from experiments.tasks.shared.images import ImageDataset, LabelledImages

CLASSES = 10


def standin_digits() -> ImageDataset:
    """Return 1,797 digits of 10 classes: 1,433 to train on and 364 to test on.

    They come with scikit-learn (``sklearn.datasets.load_digits``: 8×8, 0-16), so nothing is read
    from elsewhere. Each is enlarged fourfold without interpolation, grey as equal red, green and
    blue. Integer arithmetic and a fixed split make them the same bytes on every machine.
    """
    # Here and not above: it takes most of a second, which runs on real data need not spend.
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = ((digits.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)
    grey = grey.repeat(4, axis=1).repeat(4, axis=2)
    pixels = torch.from_numpy(grey)[:, None].repeat(1, 3, 1, 1)
    labels = torch.from_numpy(digits.target.astype(np.int64))

    # Every fifth digit of a class is for testing: spread over the writers, who follow one another.
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(CLASSES):
        is_test[(labels == label).nonzero().flatten()[::5]] = True

    train = LabelledImages(pixels[~is_test], labels[~is_test])
    values = train.pixels.double() / 255
    mean, std = float(values.mean()), float(values.std(correction=0))
    return ImageDataset(
        dataset="standin",
        train=train,
        test=LabelledImages(pixels[is_test], labels[is_test]),
        classes=CLASSES,
        mean=(mean,) * 3,
        std=(std,) * 3,
        origin="STAND-IN: scikit-learn's handwritten digits as 32×32 RGB, not CIFAR-10",
    )

"""How many classes and pictures there are: of ImageNet, and of its stand-in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Classes and pictures that there are."""

    classes: int
    train: int
    test: int


REAL = Size(1_000, 1_281_167, 50_000)

STANDIN_TRAIN = (142, 145, 141, 146, 144, 145, 144, 143, 139, 144)
STANDIN_TEST = (36, 37, 36, 37, 37, 37, 37, 36, 35, 36)
"""Training and test pictures of each class of the stand-in."""

"""What the tests of the training loop share."""

import pytest

from experiments.tasks.cifar10 import task as cifar10
from tests.experiments.training.noise import noise_images


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 is 70 images of noise."""
    monkeypatch.setattr(cifar10, "load_cifar10", lambda *_, **__: noise_images(70))

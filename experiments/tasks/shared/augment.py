"""The CIFAR input pipeline on whole batches: random crop, flip, normalisation.

The same distributions as torchvision's ``RandomCrop(32, padding=4)``, ``RandomHorizontalFlip``,
``ToTensor`` and ``Normalize``, one batch at a time on the training device. All random numbers of
an epoch are drawn beforehand from (seed, epoch) alone, on the CPU: every device sees the same
ones, and a resumed run needs no generator state.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

PADDING = 4
"""Zero pixels added on every side before the crop."""


@dataclass(frozen=True)
class EpochPlan:
    """One epoch's order of the examples, and how each is cropped and flipped; [n], by position."""

    order: Tensor
    """int64: a permutation of the examples."""
    top: Tensor
    """int64, 0 to 2 · PADDING: the first row of the crop in the padded image."""
    left: Tensor
    """int64, 0 to 2 · PADDING: the first column of the crop in the padded image."""
    flip: Tensor
    """bool: whether the crop is mirrored left to right."""

    def rows(self) -> Tensor:
        """All of it as one tensor, int64 [4, n], in the order of the fields."""
        return torch.stack([self.order, self.top, self.left, self.flip.long()])


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The CPU generator that belongs to (``seed``, ``epoch``)."""
    # Hashed, so that no two (seed, epoch) share a stream; torch's generator keeps 32 bits of it.
    digest = hashlib.sha256(f"epoch plan {seed} {epoch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))


def plan_epoch(seed: int, epoch: int, n: int) -> EpochPlan:
    """Draw the plan of ``n`` examples that belongs to (``seed``, ``epoch``), on the CPU."""
    generator = epoch_generator(seed, epoch)
    return EpochPlan(
        order=torch.randperm(n, generator=generator),
        top=torch.randint(0, 2 * PADDING + 1, (n,), generator=generator),
        left=torch.randint(0, 2 * PADDING + 1, (n,), generator=generator),
        flip=torch.randint(0, 2, (n,), generator=generator).bool(),
    )


def pad(pixels: Tensor) -> Tensor:
    """``pixels`` [N, C, H, W] with PADDING zeros on every side, as :func:`crop_and_flip` takes."""
    return F.pad(pixels, (PADDING,) * 4)


def crop_and_flip(
    padded: Tensor, images: Tensor, top: Tensor, left: Tensor, flip: Tensor
) -> Tensor:
    """Cut [H, W] out of chosen images at their offsets, and mirror some.

    ``padded`` is what :func:`pad` makes of [N, C, H, W]. ``images`` are places in it; ``top``,
    ``left`` (int64) and ``flip`` (bool) are [B] too, as in :class:`EpochPlan`. Returns a new tensor
    [B, C, H, W]. No value is read back from the device and no shape depends on one, so that a CUDA
    graph can hold it.
    """
    count, channels, *sides = padded.shape
    height, width = (side - 2 * PADDING for side in sides)
    of_image, of_channel, of_row, of_column = padded.stride()
    offsets = 2 * PADDING + 1
    # Every crop of every image as a view; indexing then copies one of each that is chosen.
    crops = padded.as_strided(
        (count, offsets, offsets, channels, height, width),
        (of_image, of_row, of_column, of_channel, of_row, of_column),
    )
    chosen = crops[images, top, left]
    return torch.where(flip[:, None, None, None], chosen.flip(-1), chosen)


class Normalise:
    """Bytes to the network's inputs: scale to 0-1, subtract the mean, divide by the deviation.

    Args:
        mean: of each channel, of pixels scaled to 0-1.
        std: likewise.
        device: where the images are.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu"
    ) -> None:
        self.mean = torch.tensor(mean, device=device, dtype=torch.float32)[:, None, None]
        self.std = torch.tensor(std, device=device, dtype=torch.float32)[:, None, None]

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the inputs, float32, of ``pixels``' shape [B, C, H, W]."""
        return pixels.to(torch.float32).div_(255).sub_(self.mean).div_(self.std)

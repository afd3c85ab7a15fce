"""From an encoded picture to the pixels that the network is shown: decode, cut, resize.

The distributions and the sampling are those of torchvision's ``RandomResizedCrop(size)`` with
``RandomHorizontalFlip()``, and of ``Resize(short)`` with ``CenterCrop(size)``, on pictures that
are decoded at full size; pixels differ from what Pillow makes by one level of 255 at most. What
differs from PyTorch's ImageNet example is where things are done: pixels stay bytes until they are
on the device, where a whole batch is normalised.
"""

import io
import math
import random
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

try:
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # torchvision means to leave decoding to others: Pillow gives the same, slower
    decode_jpeg = None

AREA = (0.08, 1.0)
"""Subset of the picture's area that a random crop covers."""
RATIO = (3 / 4, 4 / 3)
"""Width over height of a random crop, before it is made square."""
ATTEMPTS = 10
_TAIL = 512
"""Bytes at the end among which a whole JPEG has its end marker (some files carry padding)."""


class Damaged(Exception):
    """A picture that cannot be decoded to its end; says why."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels, and whether it is mirrored left to right."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


def random_window(seed: int, epoch: int, index: int, height: int, width: int) -> Window:
    """The crop that picture ``index`` gets in ``epoch``: a function of the arguments alone.

    As torchvision's ``RandomResizedCrop``: ten attempts at an area and a log-uniform ratio, else
    the largest central rectangle whose ratio is allowed.
    """
    draw = random.Random(f"window {seed} {epoch} {index}").random
    flip = draw() < 0.5
    for _ in range(ATTEMPTS):
        area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * draw())
        low, high = math.log(RATIO[0]), math.log(RATIO[1])
        ratio = math.exp(low + (high - low) * draw())
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = int(draw() * (height - h + 1)), int(draw() * (width - w + 1))
            return Window(top, left, h, w, flip)
    ratio = min(max(width / height, RATIO[0]), RATIO[1])
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    return Window((height - h) // 2, (width - w) // 2, h, w, flip)


def cut(picture: Tensor, window: Window, size: int) -> Tensor:
    """The window, resized to ``size``×``size`` with antialiasing, mirrored if it is to be."""
    w = window
    shown: Tensor = F.resized_crop(
        picture, w.top, w.left, w.height, w.width, [size, size], antialias=True
    )
    return shown.flip(-1) if w.flip else shown


def centre(picture: Tensor, resize: int, size: int) -> Tensor:
    """The shorter side brought to ``resize``, then the central ``size``×``size``."""
    shown: Tensor = F.center_crop(F.resize(picture, [resize], antialias=True), [size, size])
    return shown


def decode(content: Tensor) -> Tensor:
    """The whole picture, uint8 [3, H, W], of encoded bytes [n] (uint8).

    By torchvision (libjpeg-turbo), bit for bit what Pillow gives; by Pillow where torchvision
    refuses (ImageNet holds a PNG under a ``.JPEG`` name). Raises :class:`Damaged`.
    """
    if decode_jpeg is None:
        return _decode_with_pillow(content)
    try:
        picture: Tensor = decode_jpeg(content, mode=ImageReadMode.RGB)
    except RuntimeError:
        return _decode_with_pillow(content)
    return picture


def ends_early(content: Tensor) -> bool:
    """Whether the bytes are not a JPEG, or lack its end marker: a quick look, without decoding."""
    start, end = content[:2].tolist(), content[-_TAIL:].numpy().tobytes()
    return start != [0xFF, 0xD8] or b"\xff\xd9" not in end


def _decode_with_pillow(content: Tensor) -> Tensor:
    try:
        with Image.open(io.BytesIO(content.numpy().tobytes())) as image:
            pixels = np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise Damaged(_reason(error)) from None
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _reason(error: Exception) -> str:
    text = str(error)
    # Pillow names the object in memory, of which a person knows nothing.
    return "not a picture" if "cannot identify" in text else text

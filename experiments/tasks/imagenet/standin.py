"""The stand-in for ImageNet: scikit-learn's handwritten digits as JPEG files in its layout."""

import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.errors import UserError
from experiments.tasks.imagenet.sizes import STANDIN_TRAIN

FOLDER = "imagenet-standin"


def standin_folder(data_dir: Path) -> Path:
    """``data_dir/imagenet-standin`` with ``train/`` and ``val/``; rendered if it is not there.

    1,797 colour JPEGs of differing sizes (short side 64 to 96 pixels), every fiftieth of them
    grey, in ten class folders: 1,433 to train on, 364 to test on. A digit's picture depends on
    its number in the data set alone. Written whole or not at all, also by several processes at
    once. Raises :class:`UserError` if the folder cannot be written.
    """
    folder = data_dir / FOLDER
    if folder.is_dir():
        return folder
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=data_dir, prefix=f".{FOLDER}-"))
        try:
            _render_all(made)
            made.chmod(0o755)
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror}; the stand-in's pictures are written "
            "there: name another folder with RADAM_DATA=..."
        ) from None
    return folder


def _render_all(folder: Path) -> None:
    # Here and not above: it takes most of a second, which runs on real data need not spend.
    from sklearn.datasets import load_digits

    digits = load_digits()
    seen = [0] * len(STANDIN_TRAIN)
    for number, (digit, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        # Every fifth of a class is for testing: spread over the writers, who follow one another.
        split = "val" if seen[label] % 5 == 0 else "train"
        seen[label] += 1
        path = folder / split / f"digit-{label}" / f"{number:04d}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        render(digit, number).save(path, "JPEG", quality=90)


def render(digit: np.ndarray, number: int) -> Image.Image:
    """One digit (8×8, 0-16) as a picture: large, in a random colour on another, with noise."""
    rng = random.Random(number)
    short, long = rng.randint(64, 96), rng.randint(64, 96)
    width, height = max(short, long), min(short, long)
    if rng.random() < 0.3:
        width, height = height, width
    side = min(width, height)
    ink = Image.fromarray((digit * (255 / 16)).astype(np.uint8)).resize((side, side))
    mask = Image.new("L", (width, height))
    mask.paste(ink, (rng.randint(0, width - side), rng.randint(0, height - side)))
    weight = np.asarray(mask, dtype=np.float32)[..., None] / 255
    dark = np.array([rng.uniform(0, 90) for _ in range(3)], dtype=np.float32)
    light = np.array([rng.uniform(165, 255) for _ in range(3)], dtype=np.float32)
    noise = np.random.Generator(np.random.PCG64(number)).normal(0, 12, (height, width, 1))
    pixels = dark + (light - dark) * weight + noise
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return picture.convert("L") if number % 50 == 0 else picture

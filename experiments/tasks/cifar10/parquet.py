"""CIFAR-10 in Hugging Face's layout: Parquet files of encoded images."""

import hashlib
import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from experiments.errors import UserError
from experiments.tasks.cifar10.published import (
    ALL_ROWS,
    TRAIN_ROWS,
    Rows,
    damaged,
    in_published_order,
)

FOLDERS = ("cifar10/plain_text", "plain_text", ".")
"""Where under the data folder the files may lie, first come first served."""

FILE_SHA256 = {
    "train-00000-of-00002.parquet": (
        "abf5a384dfc8af6f495e4c1dab23ffd18d7af899df6b55cc1d76a398b2d9e3a0"
    ),
    "train-00001-of-00002.parquet": (
        "29d3e33eac1f063cd52fc689ccc9a63e3e618265f7a78d7f7eae04166c8d0e97"
    ),
    "test-00000-of-00001.parquet": (
        "310f63278385c029255027b038160019eeb16700f8c5f39fcddabe6a3f4c51b4"
    ),
}
"""Of the known copy with lossless WebP images: what to expect of a file too broken to decode."""


def find(data_dir: Path) -> tuple[list[Path], list[Path]] | None:
    """Return the training and the test files, either possibly empty, or None without any."""
    for name in FOLDERS:
        train = sorted((data_dir / name).glob("train-*.parquet"))
        test = sorted((data_dir / name).glob("test-*.parquet"))
        if train or test:
            return train, test
    return None


def read(train: Sequence[Path], test: Sequence[Path]) -> Rows:
    """Decode all images, in any lossless encoding: about five seconds.

    Columns: ``img`` (a struct with ``bytes``, an encoded 32×32 image) and ``label``.

    Raises:
        UserError: a file cannot be decoded, rows are missing, or the content is not CIFAR-10's.
    """
    rows = Rows.empty()
    starts: dict[int, Path] = {}
    for files, begin, end in ((train, 0, TRAIN_ROWS), (test, TRAIN_ROWS, ALL_ROWS)):
        row = begin
        for file in files:
            starts[row] = file
            row += _decode_file(file, rows.pixels[row:end], rows.labels[row:end])
        if row != end:
            raise UserError(
                f"{', '.join(map(str, files)) or 'no file'} holds {row - begin:,} of the "
                f"{end - begin:,} images to {'train' if begin == 0 else 'test'} on: "
                f"a file is missing beside {(*train, *test)[0]}."
            )

    def files_with(start: int, stop: int) -> str:
        firsts = [*sorted(starts), ALL_ROWS]
        return " or ".join(
            str(starts[first])
            for first, following in pairwise(firsts)
            if first < stop and following > start
        )

    return in_published_order(rows, files_with)


def _decode_file(file: Path, pixels: np.ndarray, labels: np.ndarray) -> int:
    """Decode one file's rows into the first of the arrays and return how many they are."""
    try:
        table = pq.ParquetFile(file).read(columns=["img", "label"])
        encoded = [image["bytes"] for image in table["img"].to_pylist()]
        labels[: len(encoded)] = table["label"].to_numpy()
        # In one thread: Pillow holds the interpreter for most of so small an image; two are slower.
        for row, content in enumerate(encoded):
            with Image.open(io.BytesIO(content)) as image:
                pixels[row] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    # Whatever a decoder stumbles over, it is the file that is wrong.
    except Exception as error:
        content = file.read_bytes()
        raise damaged(
            file,
            f"it cannot be decoded ({type(error).__name__})",
            expected=f"sha256 {FILE_SHA256.get(file.name, 'of a good copy')}",
            found=f"{hashlib.sha256(content).hexdigest()} in {len(content):,} bytes",
        ) from error
    return len(encoded)

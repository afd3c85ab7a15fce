"""CIFAR-10 in memory: found under a data folder or downloaded, checked, or the stand-in."""

import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from experiments.errors import UserError
from experiments.files import portable
from experiments.tasks.cifar10 import parquet, pickles
from experiments.tasks.cifar10.cache import cached
from experiments.tasks.cifar10.published import TRAIN_ROWS, Rows
from experiments.tasks.cifar10.standin import standin_digits
from experiments.tasks.config import Resolution
from experiments.tasks.shared.images import ImageDataset, LabelledImages

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
NETWORK_TIMEOUT = 10.0
"""Seconds without a byte after which a download is given up."""

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)


class DataNotFound(UserError):
    """CIFAR-10 is neither under the data folder nor to be had from the network."""


@dataclass(frozen=True)
class Source:
    """CIFAR-10 in one of its layouts, found but not yet read."""

    name: str
    """The folder or file, for people."""
    read: Callable[[], Rows]
    """Reads and checks all of it, or raises UserError."""


def resolve_dataset(
    choice: Literal["auto", "real", "standin"], data_dir: Path, *, download: bool = True
) -> Resolution:
    """Decide between CIFAR-10 and its stand-in; download CIFAR-10 if that is what it takes.

    ``auto`` takes the stand-in only where CIFAR-10 is neither found nor downloadable. Files that
    are found are not checked yet: :func:`load_cifar10` does, and damaged ones are an error there,
    never a reason to take the stand-in.

    Raises:
        DataNotFound: ``choice`` is ``real`` and there is none.
    """
    if choice == "standin":
        return Resolution("standin", "the stand-in was asked for")
    try:
        source = _find_or_download(data_dir, download)
    except DataNotFound as error:
        if choice == "real":
            raise
        return Resolution("standin", str(error))
    return Resolution("real", f"CIFAR-10 is in {source.name}")


def load_cifar10(
    data_dir: Path, *, dataset: Literal["real", "standin"], download: bool = True
) -> ImageDataset:
    """Return CIFAR-10 (50,000 and 10,000 images of 10 classes) or its stand-in.

    CIFAR-10 is taken from the first of these under ``data_dir``, else downloaded there:
    torchvision's ``cifar-10-batches-py/``, the archive ``cifar-10-python.tar.gz``, or Hugging
    Face's ``cifar10/plain_text/{train,test}-*.parquet``. Whatever the layout, the rows are those
    of data_batch_1 to data_batch_5 in order, and pixels and labels are the published ones, bit
    for bit.

    Raises:
        DataNotFound: there is none, and no download (``dataset`` is ``real``).
        UserError: a file is missing, truncated or wrong; names it, with both checksums.
    """
    if dataset == "standin":
        return standin_digits()
    source = _find_or_download(data_dir, download)
    try:
        rows = source.read()
    except OSError as error:
        raise UserError(f"CIFAR-10 in {source.name} cannot be read: {error}") from error
    name = portable(source.name, data_dir)
    return ImageDataset(
        dataset="real",
        train=_labelled(rows.pixels[:TRAIN_ROWS], rows.labels[:TRAIN_ROWS]),
        test=_labelled(rows.pixels[TRAIN_ROWS:], rows.labels[TRAIN_ROWS:]),
        classes=10,
        mean=MEAN,
        std=STD,
        origin=f"CIFAR-10 from {name}, checked against the published files",
    )


def _labelled(pixels: np.ndarray, labels: np.ndarray) -> LabelledImages:
    return LabelledImages(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))


def _find(data_dir: Path) -> Source | None:
    folder = data_dir / pickles.FOLDER
    if folder.is_dir():
        return Source(str(folder), lambda: pickles.read_folder(folder))
    archive = data_dir / pickles.ARCHIVE
    if archive.is_file():
        return Source(
            str(archive), lambda: cached([archive], lambda: pickles.read_archive(archive))
        )
    files = parquet.find(data_dir)
    if files is not None:
        train, test = files
        return Source(
            f"{(*train, *test)[0].parent} ({len(train) + len(test)} Parquet files)",
            lambda: cached([*train, *test], lambda: parquet.read(train, test)),
        )
    return None


def _find_or_download(data_dir: Path, download: bool) -> Source:
    source = _find(data_dir)
    if source is None:
        problem = _download(data_dir) if download else "downloads are switched off"
        source = _find(data_dir)
        if source is None:
            raise DataNotFound(
                f"CIFAR-10 is not in {data_dir.absolute()} (looked for {pickles.FOLDER}/, "
                f"{pickles.ARCHIVE} and cifar10/plain_text/{{train,test}}-*.parquet), and "
                f"{URL} could not be downloaded ({problem}). Put that file into the folder, or "
                "name the folder that holds the data with RADAM_DATA=..., or train on "
                "scikit-learn's handwritten digits instead with task.dataset=standin "
                "(make: DATASET=standin)."
            )
    return source


def _download(data_dir: Path) -> str:
    """Try to put the archive into ``data_dir``; return what went wrong, or an empty string.

    The archive gets its name only when whole and checked, so that what a broken download leaves
    is never taken for data.
    """
    # Here and not above: slow to import, and only a download needs it.
    from torchvision.datasets.utils import download_url

    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    made = not data_dir.exists()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data_dir, prefix=".download-") as folder:
            download_url(URL, folder, pickles.ARCHIVE)
            arrived = Path(folder) / pickles.ARCHIVE
            found, expected = pickles.md5_of(arrived), pickles.ARCHIVE_MD5
            if found != expected:
                return f"what arrived has md5 {found}, expected {expected}"
            arrived.replace(data_dir / arrived.name)
    except (OSError, RuntimeError) as error:
        return str(getattr(error, "reason", "") or error) or type(error).__name__
    finally:
        socket.setdefaulttimeout(timeout)
        if made and data_dir.is_dir() and not any(data_dir.iterdir()):
            data_dir.rmdir()
    return ""

"""ImageNet from Hugging Face, through ``datasets``; imported only when a run asks for it."""

from typing import Any

import numpy as np
import torch

from experiments.errors import UserError
from experiments.tasks.imagenet.files import TablePictures

NAME = "ILSVRC/imagenet-1k"


def load(
    classes: int | None,
    train_per_class: int | None,
    test_per_class: int | None,
    name: str = NAME,
) -> tuple[TablePictures, TablePictures]:
    """The training and the validation table: columns ``image`` (encoded) and ``label``.

    Classes are numbered as in the folders: by sorted WordNet id. ``name`` may also be a local
    folder of Parquet files. Raises :class:`UserError`, with what to accept and where the token
    goes.
    """
    try:
        from datasets import Image, load_dataset
    except ImportError:
        raise UserError(
            "task.source=huggingface: needs the package datasets; pip install datasets"
        ) from None

    def read(split: str, per_class: int | None) -> TablePictures:
        table: Any = load_dataset(name, split=split).cast_column("image", Image(decode=False))
        labels = torch.tensor(np.asarray(table["label"])).long()
        rows = _chosen(labels.numpy(), classes, per_class)
        return TablePictures(table, labels[rows], rows)

    try:
        return read("train", train_per_class), read("validation", test_per_class)
    except Exception as error:  # datasets raises many kinds: gated, no network, no disk
        reason = str(error).splitlines()[0]
        raise UserError(
            f"task.source=huggingface: {name} cannot be read ({type(error).__name__}: {reason}). "
            f"It is gated: accept its terms at https://huggingface.co/datasets/{NAME}, then put a "
            "token that may read it into HF_TOKEN, or give it to `hf auth login`"
        ) from None


def _chosen(labels: np.ndarray, classes: int | None, per_class: int | None) -> np.ndarray:
    """The rows of the first ``classes`` classes, the first ``per_class`` of each, in order."""
    keep = np.ones(len(labels), dtype=bool) if classes is None else labels < classes
    if per_class is not None:
        for label in np.unique(labels[keep]):
            keep[np.flatnonzero(labels == label)[per_class:]] = False
    return np.flatnonzero(keep)

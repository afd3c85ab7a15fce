"""ImageNet (ILSVRC2012): found, counted, checked for damage; or its stand-in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from experiments.errors import UserError
from experiments.files import portable
from experiments.tasks.config import Resolution
from experiments.tasks.imagenet import hub
from experiments.tasks.imagenet.check import find_damaged
from experiments.tasks.imagenet.files import Pictures, class_folders, read_folder
from experiments.tasks.imagenet.sizes import REAL, STANDIN_TEST, STANDIN_TRAIN, Size
from experiments.tasks.imagenet.standin import standin_folder

FOLDERS = ("imagenet", "ILSVRC2012", "ILSVRC/Data/CLS-LOC", ".")
"""Where under the data folder ``train/`` and ``val/`` may lie, first come first served."""
ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

Choice = Literal["auto", "real", "standin"]
Source = Literal["folder", "huggingface"]
Damage = Literal["fatal", "skip"]


STANDIN = Size(len(STANDIN_TRAIN), sum(STANDIN_TRAIN), sum(STANDIN_TEST))


@dataclass(frozen=True)
class Subset:
    """How much of it a run takes; None: all."""

    classes: int | None = None
    """The first so many classes in sorted order."""
    train_per_class: int | None = None
    """The first so many training pictures of each, by name."""
    test_per_class: int | None = None


@dataclass(frozen=True)
class ImageNetData:
    """Training and test pictures, still encoded, and what a person should know of them."""

    train: Pictures
    test: Pictures
    classes: int
    skipped: int
    """Damaged pictures that were left out."""
    origin: str
    digest: str
    """Of the pictures; see :class:`~experiments.tasks.task.Task`."""


def resolve_imagenet(choice: Choice, source: Source, data_dir: Path) -> Resolution:
    """Decide between ImageNet and its stand-in, without opening a picture.

    ``auto`` takes the stand-in only where nothing of ImageNet is found. Raises
    :class:`UserError` where ``real`` was asked for and there is none.
    """
    if choice == "standin":
        return Resolution("standin", "the stand-in was asked for")
    if source == "huggingface":
        return Resolution("real", f"Hugging Face's {hub.NAME}")
    found = _find(data_dir) or _find_archives(data_dir)
    if found is not None:
        return Resolution("real", f"ImageNet is in {found}")
    missing = (
        f"ImageNet is not in {data_dir.absolute()} (looked for train/ and val/ with a folder a "
        f"class, and for {ARCHIVES[0]} and its kin, in {', '.join(FOLDERS)}). Name the folder "
        "that holds it with RADAM_DATA=..., or take it from Hugging Face with "
        "task.source=huggingface, or train on rendered digits instead with "
        "task.dataset=standin (make: DATASET=standin)."
    )
    if choice == "real":
        raise UserError(missing)
    return Resolution("standin", missing)


def load_imagenet(
    data_dir: Path,
    *,
    dataset: Literal["real", "standin"],
    source: Source = "folder",
    part: Subset | None = None,
    damaged: Damage = "fatal",
    expected: Size | None = None,
) -> ImageNetData:
    """ImageNet or its stand-in, counted and checked.

    Args:
        data_dir: the folder of :func:`resolve_imagenet`; the stand-in is rendered there.
        dataset: which of the two.
        source: where ImageNet comes from. Raw archives found in place of folders are unpacked
            beside themselves (torchvision's ``ImageNet``), which takes an hour, once.
        part: what to take of it.
        damaged: ``fatal``: both ends of every file are looked at, and a damaged one is an error;
            ``skip``: everything is decoded once, and what cannot be is left out and counted.
        expected: how many classes and pictures the whole has; None: as published.

    Raises:
        UserError: nothing there, wrong counts, a damaged picture; names it.
    """
    part, expected = part or Subset(), expected or (REAL if dataset == "real" else STANDIN)
    classes = min(part.classes or expected.classes, expected.classes)
    if dataset == "real" and source == "huggingface":
        where = f"ImageNet from Hugging Face's {hub.NAME}"
        splits: tuple[Pictures, Pictures] = hub.load(
            classes, part.train_per_class, part.test_per_class
        )
    else:
        root = _real_folder(data_dir) if dataset == "real" else standin_folder(data_dir)
        what = "ImageNet from" if dataset == "real" else "STAND-IN: rendered digits, not ImageNet,"
        where = f"{what} {root}"
        names = _class_names(root, expected.classes)[:classes]
        splits = (
            read_folder(root / "train", names, part.train_per_class),
            read_folder(root / "val", names, part.test_per_class),
        )
    train, test = splits
    whole = classes == expected.classes
    _check_counts(where, train, classes, part.train_per_class, expected.train if whole else None)
    _check_counts(where, test, classes, part.test_per_class, expected.test if whole else None)
    train, skipped = _without_damaged(train, damaged)
    test, skipped_too = _without_damaged(test, damaged)
    skipped += skipped_too
    return ImageNetData(
        train=train,
        test=test,
        classes=classes,
        skipped=len(skipped),
        origin=portable(_origin(where, train, test, classes, skipped), data_dir),
        digest=f"{train.digest()} {test.digest()}",
    )


def _find(data_dir: Path) -> Path | None:
    for name in FOLDERS:
        root = data_dir / name
        if (root / "train").is_dir() and (root / "val").is_dir():
            return root
    return None


def _find_archives(data_dir: Path) -> Path | None:
    for name in FOLDERS:
        if all((data_dir / name / archive).is_file() for archive in ARCHIVES):
            return data_dir / name
    return None


def _real_folder(data_dir: Path) -> Path:
    root = _find(data_dir)
    if root is not None:
        return root
    root = _find_archives(data_dir)
    if root is None:
        raise UserError(f"{data_dir}: ImageNet was there a moment ago and is no longer")
    # Here and not above: slow to import, and only archives need it.
    from torchvision.datasets import ImageNet as Unpacked

    try:
        for split in ("train", "val"):
            Unpacked(str(root), split)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{root}: the archives could not be unpacked ({error}); get them anew, or remove "
            "what is left of train/ and val/ and give the same command again"
        ) from None
    return root


def _class_names(root: Path, expected: int) -> list[str]:
    train, val = class_folders(root / "train"), class_folders(root / "val")
    if len(train) != expected or train != val:
        differ = sorted(set(train) ^ set(val))
        hint = f"; {differ[0]} is in one of them only" if differ else ""
        raise UserError(
            f"{root}: train/ has {len(train):,} class folders and val/ {len(val):,}, expected "
            f"{expected:,} in both{hint}. Nothing was trained on it: complete it (for val/, sort "
            "the pictures into a folder a class), or name another with RADAM_DATA=..."
        )
    return train


def _check_counts(
    where: str, pictures: Pictures, classes: int, per_class: int | None, whole: int | None
) -> None:
    """``per_class`` pictures of every class, or ``whole`` in all, or else one of every class."""
    counts = torch.bincount(pictures.labels, minlength=classes)
    fewest, found = int(counts.argmin()), len(pictures.labels)
    wanted = per_class * classes if per_class is not None else whole
    if found != wanted if wanted is not None else int(counts[fewest]) == 0:
        raise UserError(
            f"{getattr(pictures, 'root', where)}: {found:,} pictures of {classes:,} classes, "
            f"expected {'more' if wanted is None else f'{wanted:,}'}; class number {fewest} has "
            f"the fewest, {int(counts[fewest]):,}. Nothing was trained on it: complete it, or "
            "name another folder with RADAM_DATA=..."
        )


def _without_damaged(pictures: Pictures, choice: Damage) -> tuple[Pictures, list[str]]:
    found: Mapping[int, str] = find_damaged(pictures, "quick" if choice == "fatal" else "decode")
    names = [pictures.name(index) for index in found]
    if found and choice == "fatal":
        first = next(iter(found.values()))
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        raise UserError(
            f"{names[0]}{more}: damaged ({first}); replace what is damaged, or leave it out and "
            "have it counted with task.damaged=skip"
        )
    if not found:
        return pictures, []
    whole = torch.ones(len(pictures.labels), dtype=torch.bool)
    whole[list(found)] = False
    return pictures.keep(whole.nonzero().flatten()), names


def _origin(where: str, train: Pictures, test: Pictures, classes: int, skipped: list[str]) -> str:
    sizes = f"{len(train.labels):,} to train on, {len(test.labels):,} to test on"
    line = f"{where}: {sizes}, {classes:,} classes"
    if skipped:
        shown = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
        line += f"; {len(skipped):,} damaged left out ({shown})"
    return line

"""One Billion Word as published: where its shards may lie, and which they must be.

Chelba et al., "One Billion Word Benchmark for Measuring Progress in Statistical Language
Modeling", 2013: 99 training and 50 held-out shards. Checksums: the benchmark's own list.
"""

import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.tasks.lm1b.corpus import Split
from experiments.tasks.lm1b.encode import RawShard

FOLDERS = (
    "1-billion-word-language-modeling-benchmark",
    "1-billion-word-language-modeling-benchmark-r13output",
)
ARCHIVE = "1-billion-word-language-modeling-benchmark-r13output.tar.gz"
URL = f"https://www.statmt.org/lm-benchmark/{ARCHIVE}"
HUB, HUB_REVISION = "billion-word-benchmark/lm1b", "refs/convert/parquet"
HUB_FOLDER = "lm1b/plain_text"
LINES: dict[Split, int] = {"train": 30_301_028, "test": 306_688}
"""Sentences of all shards; for copies whose files have no published checksum."""

WORDS = 643_448
"""Words that it has more than three times, ``</S>`` and ``<UNK>`` among them. (The benchmark's
own vocabulary of 793,471 has those that it has three times or more.)"""

_TRAIN, _HELD_OUT = (
    "training-monolingual.tokenized.shuffled",
    "heldout-monolingual.tokenized.shuffled",
)


@dataclass(frozen=True)
class Found:
    """A copy of the benchmark."""

    where: Path
    raws: list[RawShard]


def checksums() -> dict[str, str]:
    """md5 by ``<folder>/<shard>``, in the benchmark's order: 99 training, 50 held-out shards."""
    lines = Path(__file__).with_name("md5sums.txt").read_text().splitlines()
    return {name: md5 for md5, name in (line.split() for line in lines)}


def held_out_shard(data_dir: Path) -> RawShard | None:
    """``news.en.heldout-00000-of-00050``, most of the literature's test set, if it is there."""
    name = f"{_HELD_OUT}/news.en.heldout-00000-of-00050"
    paths = (data_dir / folder / name for folder in FOLDERS)
    return next((RawShard("test", p, checksums()[name]) for p in paths if p.is_file()), None)


def present(data_dir: Path) -> bool:
    """Whether any of the benchmark's training text is under ``data_dir``, whole or not."""
    folders = (data_dir / folder / _TRAIN for folder in FOLDERS)
    return (
        any(any(folder.glob("news.en-*")) for folder in folders)
        or (data_dir / ARCHIVE).is_file()
        or any((data_dir / HUB_FOLDER).glob("train/*.parquet"))
    )


def find(data_dir: Path, unpacking: Callable[[str], None] = lambda name: None) -> Found | None:
    """The benchmark under ``data_dir``: its folders, its archive (unpacked there), or Parquet.

    None if there is no training text at all. Shards are not read yet. Raises :class:`UserError`
    naming the shards that are missing from a copy that is there.
    """
    archive, unpacked = data_dir / ARCHIVE, data_dir / FOLDERS[1]
    if archive.is_file() and any(not (unpacked / name).exists() for name in checksums()):
        _unpack(archive, unpacked, unpacking)
    for where in (data_dir / folder for folder in FOLDERS):
        if any((where / _TRAIN).glob("news.en-*")):
            return Found(where, _official(where))
    where = data_dir / HUB_FOLDER
    splits: tuple[Split, ...] = ("train", "test")
    raws = [RawShard(s, p) for s in splits for p in sorted(where.glob(f"{s}/*.parquet"))]
    if not any(raw.split == "train" for raw in raws):
        return None
    _check_lines(where, raws)
    return Found(where, raws)


def _official(where: Path) -> list[RawShard]:
    raws = [
        RawShard("train" if name.startswith(_TRAIN) else "test", where / name, md5)
        for name, md5 in checksums().items()
    ]
    missing = [str(raw.path.relative_to(where)) for raw in raws if not raw.path.is_file()]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise UserError(
            f"{where}: {len(missing)} of One Billion Word's {len(raws)} shards are missing: "
            f"{', '.join(missing[:5])}{more}; put them there, then give the same command again"
        )
    return raws


def _unpack(archive: Path, where: Path, unpacking: Callable[[str], None]) -> None:
    """Write the archive's shards under ``where``, each whole or not at all, those there kept."""
    wanted = checksums()
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                name = "/".join(member.name.split("/")[-2:])
                if name not in wanted or (where / name).exists():
                    continue
                stream = members.extractfile(member)
                if stream is not None:
                    unpacking(name)
                    write_atomic(where / name, stream.read())
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the disk's fault (full, read-only), not the archive's
        raise UserError(
            f"{archive} cannot be unpacked ({error}): put a good copy there ({URL}), then give "
            "the same command; the shards that came out of it are kept"
        ) from None


def _check_lines(where: Path, raws: list[RawShard]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split, expected in LINES.items():
        lines = 0
        for raw in raws:
            if raw.split == split:
                try:
                    lines += pq.ParquetFile(raw.path).metadata.num_rows
                except pa.ArrowException as error:
                    raise UserError(f"{raw.path} is damaged ({error})") from None
        if lines != expected:
            raise UserError(
                f"{where}: the {split} files hold {lines:,} lines, One Billion Word has "
                f"{expected:,}; complete them (python -m scripts.prepare_lm1b --from-hub)"
            )

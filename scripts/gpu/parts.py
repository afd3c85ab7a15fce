"""Files in parts, for machines to which only so much can be carried at a time.

``python -m scripts.gpu.parts data/cifar10 carried [--mib 51]`` writes the parts. Where they were
carried to, ``scripts.study_gpu`` joins them, or ``python -m scripts.gpu.parts --join carried``.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.terminal.arguments import Parser, positive

LIST = "parts.json"
MIB = 2**20
CHUNK = 8 * MIB


def split(source: Path, into: Path, size: int) -> list[Path]:
    """Write the files of a folder, or one file, in parts of at most ``size`` bytes, and a list.

    The list has each file's path, parts and SHA-256.
    """
    files = [p for p in sorted(source.rglob("*")) if p.is_file()] if source.is_dir() else [source]
    if not files:
        raise UserError(f"{source}: no files there")
    listed, written = {}, []
    for file in files:
        name = file.relative_to(source.parent)
        parts = [into / f"{name}.part-{n:03d}" for n in range(-(-file.stat().st_size // size) or 1)]
        with file.open("rb") as content:
            for part in parts:
                part.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(part, content.read(size))
        names = [str(part.relative_to(into)) for part in parts]
        listed[str(name)] = {"sha256": digest(file), "parts": names}
        written += parts
    write_atomic(into / LIST, json.dumps(listed, indent=1) + "\n")
    return written


def join(folder: Path) -> list[Path]:
    """Put together what the lists in ``folder`` name and is not there yet; returns those files.

    Raises :class:`UserError` for parts that are missing and for files whose digest is another one.
    """
    joined = []
    for listing in sorted(folder.rglob(LIST)):
        for name, file in json.loads(listing.read_text()).items():
            target = listing.parent / name
            if not target.exists():
                _join(target, [listing.parent / part for part in file["parts"]], file["sha256"])
                joined.append(target)
    return joined


def _join(target: Path, parts: Sequence[Path], sha256: str) -> None:
    if missing := [part.name for part in parts if not part.exists()]:
        raise UserError(
            f"{target}: {len(missing)} of its {len(parts)} parts are missing ({missing[0]}); carry "
            "them there too"
        )

    def copy(file: BinaryIO) -> None:
        total = hashlib.sha256()
        for part in parts:
            for chunk in _chunks(part):
                file.write(chunk)
                total.update(chunk)
        if total.hexdigest() != sha256:
            raise UserError(f"{target}: its parts are damaged; carry them there again")

    write_atomic(target, copy)


def digest(path: Path) -> str:
    """A file's SHA-256."""
    total = hashlib.sha256()
    for chunk in _chunks(path):
        total.update(chunk)
    return total.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def main() -> None:
    """Split, or join."""
    parser = Parser("python -m scripts.gpu.parts", description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="a file or folder; with --join, where parts are")
    parser.add_argument("into", type=Path, nargs="?", help="the folder for the parts")
    parser.add_argument("--mib", type=positive, default=51, help="the largest part, in MiB")
    parser.add_argument("--join", action="store_true")
    chosen = parser.parse_args()
    if chosen.join:
        found = join(chosen.source)
    elif chosen.into is None:
        parser.error("into: give a folder for the parts")
    else:
        found = split(chosen.source, chosen.into, chosen.mib * MIB)
    for path in found:
        print(f"{path.stat().st_size:>12,} {path}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")

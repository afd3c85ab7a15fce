"""Damaged pictures, found before training and remembered, so that they are looked for once."""

import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal

from torch import Tensor

from experiments.files import cache_folder, write_atomic
from experiments.tasks.imagenet.files import Pictures
from experiments.tasks.imagenet.pixels import Damaged, decode, ends_early

log = logging.getLogger(__name__)

Depth = Literal["quick", "decode"]
"""quick: both ends of every file; decode: every pixel."""
_FORMAT = b"2"
"""Changed when answers that were kept before should be made anew."""
_STRETCH = 2_048
_LOST = re.compile(r"Corrupt JPEG data: (?!\d extraneous)|Premature end", re.IGNORECASE)
"""libjpeg's complaints after which pixels are wrong; a few superfluous bytes are only padding."""
_MANY = 20_000
"""From here on the check takes long enough to say so."""


def find_damaged(pictures: Pictures, depth: Depth) -> dict[int, str]:
    """The pictures that cannot be shown, by index, and what is wrong with each.

    ``quick`` decodes only what does not look like a whole JPEG; ``decode`` everything, on all
    cores (measured: 0.6 ms a picture of ImageNet's size and core). The answer is kept beside the
    person's other caches under a digest of names, sizes and times, so that another run on the
    same pictures does not look again.
    """
    kept = cache_folder() / f"imagenet-{depth}-{_digest(pictures)}.json"
    try:
        return {int(index): why for index, why in json.loads(kept.read_bytes()).items()}
    except (OSError, ValueError):
        pass  # absent or damaged: made anew below
    count = len(pictures.labels)
    if count >= _MANY:
        log.warning("checking %s pictures (%s), once", f"{count:,}", depth)
    look = _look if depth == "quick" else _decode_all
    found = {index: why for index, why in enumerate(look(pictures)) if why is not None}
    try:
        write_atomic(kept, json.dumps(found))
    except OSError as error:
        log.warning("%s cannot be written (%s): pictures are checked each time", kept, error)
    return found


def _look(pictures: Pictures) -> Iterator[str | None]:
    """Of every picture what is wrong with it, as far as both ends of its file tell."""
    with ThreadPoolExecutor(max(4, _cores())) as pool:
        yield from pool.map(_checker(pictures, ends_early), _all(pictures), chunksize=256)


def _decode_all(pictures: Pictures) -> Iterator[str | None]:
    """The same, as far as decoding tells.

    libjpeg decodes on over corrupt data and only prints that it did, without a name: the pictures
    of a stretch in which it printed something are decoded again, one after the other.
    """
    check, every = _checker(pictures, lambda _content: True), _all(pictures)
    with ThreadPoolExecutor(_cores()) as pool, _complaints() as complaint:
        for start in range(0, len(every), _STRETCH):
            stretch = every[start : start + _STRETCH]
            answers = list(pool.map(check, stretch, chunksize=32))
            if complaint():
                alone = [(check(index), complaint()) for index in stretch]
                answers = [why or printed for why, printed in alone]
            yield from answers


def _checker(
    pictures: Pictures, is_decoded: Callable[[Tensor], bool]
) -> Callable[[int], str | None]:
    def check(index: int) -> str | None:
        try:
            content = pictures.read(index)
            if is_decoded(content):
                decode(content)
        except (Damaged, OSError) as error:
            return str(error)
        return None

    return check


@contextmanager
def _complaints() -> Iterator[Callable[[], str | None]]:
    """A function that says what libjpeg has printed since its last call, if pixels are lost."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        position = 0

        def complaint() -> str | None:
            nonlocal position
            end = os.fstat(file.fileno()).st_size
            said = os.pread(file.fileno(), end - position, position).decode(errors="replace")
            position = end
            lost = (line for line in said.splitlines() if _LOST.search(line))
            return next(lost, None)

        try:
            yield complaint
        finally:
            os.dup2(before, 2)
            os.close(before)


def _all(pictures: Pictures) -> range:
    return range(len(pictures.labels))


def _digest(pictures: Pictures) -> str:
    digest = hashlib.sha256(_FORMAT)
    with ThreadPoolExecutor(max(4, _cores())) as pool:  # on a network's disk each stamp waits
        for stamp in pool.map(pictures.stamp, range(len(pictures.labels)), chunksize=256):
            digest.update(stamp.encode() + b"\0")
    return digest.hexdigest()[:12]


def _cores() -> int:
    return len(os.sched_getaffinity(0))

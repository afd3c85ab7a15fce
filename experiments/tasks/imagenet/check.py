"""Damaged pictures, found before training and remembered, so that they are looked for once."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from experiments.files import cache_folder, write_atomic
from experiments.tasks.imagenet.files import Pictures
from experiments.tasks.imagenet.pixels import Damaged, decode, ends_early

log = logging.getLogger(__name__)

Depth = Literal["quick", "decode"]
"""quick: both ends of every file; decode: every pixel."""
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
    with ThreadPoolExecutor(max(4, _cores()) if depth == "quick" else _cores()) as pool:
        answers = pool.map(_checker(pictures, depth), range(count), chunksize=256)
        found = {index: why for index, why in enumerate(answers) if why is not None}
    try:
        write_atomic(kept, json.dumps(found))
    except OSError as error:
        log.warning("%s cannot be written (%s): pictures are checked each time", kept, error)
    return found


def _checker(pictures: Pictures, depth: Depth) -> Callable[[int], str | None]:
    def check(index: int) -> str | None:
        try:
            content = pictures.read(index)
            if depth == "decode" or ends_early(content):
                decode(content)
        except (Damaged, OSError) as error:
            return str(error)
        return None

    return check


def _digest(pictures: Pictures) -> str:
    digest = hashlib.sha256()
    with ThreadPoolExecutor(max(4, _cores())) as pool:  # on a network's disk each stamp waits
        for stamp in pool.map(pictures.stamp, range(len(pictures.labels)), chunksize=256):
            digest.update(stamp.encode() + b"\0")
    return digest.hexdigest()[:12]


def _cores() -> int:
    return len(os.sched_getaffinity(0))

"""What training text must not be: held-out text in whatever form, or one text several times."""

import re
from array import array
from collections.abc import Iterable, Mapping

import numpy as np

from experiments.errors import UserError
from experiments.tasks.translation.bpe import undo
from experiments.tasks.translation.parallel_text import Pair

MOST_SHARED = 0.2
"""Part of a held-out set that may occur in the training text: a corpus' own short sentences do.
(Measured on IWSLT'14's test set and 29 % of its training text: 0.7 %.)"""

MOST_REPEATED = 0.25
"""Part of the training pairs that may be repetitions of earlier ones."""


def count_repeated(
    train: Iterable[Pair], held_out: Mapping[str, Iterable[Pair]], where: str
) -> int:
    """How many training pairs repeat an earlier one.

    Pairs are compared by their letters and digits, so that another case, tokenisation or BPE is no
    other text. Raises :class:`UserError` where more than MOST_SHARED of a held-out set is in the
    training text, or more than MOST_REPEATED of that are repetitions.
    """
    known = {name: {_letters(pair) for pair in pairs} for name, pairs in held_out.items()}
    shared: dict[str, set[str]] = {name: set() for name in known}
    hashes = array("q")
    for pair in train:
        letters = _letters(pair)
        hashes.append(hash(letters))
        for name, pairs in known.items():
            if letters in pairs:
                shared[name].add(letters)
    for name, pairs in known.items():
        if len(shared[name]) > MOST_SHARED * len(pairs):
            raise UserError(
                f"{where}: {len(shared[name])} of the {len(pairs)} pairs of {name} are in the "
                "training text; take out the file that has them"
            )
    repeated = len(hashes) - len(np.unique(np.frombuffer(hashes, np.int64)))
    if repeated > MOST_REPEATED * len(hashes):
        raise UserError(
            f"{where}: {repeated:,} of the {len(hashes):,} training pairs repeat earlier ones; "
            "leave each text there once"
        )
    return repeated


def _letters(pair: Pair) -> str:
    source, target = (re.sub(r"[\W_]", "", undo(side).lower()) for side in pair)
    return f"{source} {target}"

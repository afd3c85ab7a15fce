"""Moses' text processing as fairseq's preparation uses it: tokenise, lower-case, clean."""

import re
from collections.abc import Callable
from functools import cache

from experiments.tasks.translation.parallel_text import Pair

LONGEST = 175
"""Tokens a side of a training pair may have (``clean-corpus-n.perl 1 175``)."""

RATIO = 1.5
"""Times that one side of a training pair may be as long as the other (``-ratio 1.5``)."""


@cache
def tokenizer(language: str, *, aggressive: bool = False) -> Callable[[str], str]:
    """Return a function from a line to its tokens, joined by spaces; ``&`` and others escaped.

    ``aggressive`` splits at hyphens too (``-a``), as fairseq's preparation of WMT does.
    """
    from sacremoses import MosesTokenizer

    moses = MosesTokenizer(language)
    return lambda line: str(
        moses.tokenize(line, return_str=True, aggressive_dash_splits=aggressive)
    )


@cache
def detokenizer(language: str) -> Callable[[str], str]:
    """Return a function from tokens, joined by spaces, to running text; undoes the escapes."""
    from sacremoses import MosesDetokenizer

    moses = MosesDetokenizer(language)
    return lambda line: str(moses.detokenize(line.split()))


@cache
def normalizer(language: str) -> Callable[[str], str]:
    """Return a function that makes punctuation uniform and drops what cannot be printed."""
    from sacremoses import MosesPunctNormalizer

    moses = MosesPunctNormalizer(language)
    unprintable = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\ufeff]")
    return lambda line: unprintable.sub(" ", str(moses.normalize(line)))


def is_clean(pair: Pair) -> bool:
    """Whether a tokenised pair may be trained on: 1 to 175 tokens a side, ratio at most 1.5."""
    source, target = (len(line.split()) for line in pair)
    if not (1 <= source <= LONGEST and 1 <= target <= LONGEST):
        return False
    return max(source, target) <= RATIO * min(source, target)

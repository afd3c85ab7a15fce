"""The texts that a language model can be trained on."""

from typing import Literal

StandinText = Literal["pydoc", "europarlmin"]

TRAIN_TOKENS = 798_949_912
"""Words and ends of lines of One Billion Word's training text."""

TEXTS: dict[str, str] = {
    "one_billion_word": "One Billion Word",
    "europarlmin": "parliament debates (STAND-IN), tested on One Billion Word's first shard",
    "pydoc": "Python's documentation (STAND-IN)",
}

"""WMT'16 from English into German (the paper's Table 2)."""

from typing import Literal

from experiments.tasks.translation.config import TranslationConfig
from experiments.tasks.translation.task import Translation


class Wmt16EnDeConfig(TranslationConfig):
    """Nothing of its own."""

    name: Literal["wmt16_en_de"]


class Wmt16EnDe(Translation):
    """English to German."""

    Config = Wmt16EnDeConfig
    corpus = "wmt16"
    languages = ("en", "de")


TASK = Wmt16EnDe

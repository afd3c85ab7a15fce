"""IWSLT'14 from German into English (the paper's Figs. 1-3 and Table 2)."""

from typing import Literal

from experiments.tasks.translation.config import TranslationConfig
from experiments.tasks.translation.task import Translation


class Iwslt14DeEnConfig(TranslationConfig):
    """Nothing of its own."""

    name: Literal["iwslt14_de_en"]


class Iwslt14DeEn(Translation):
    """German to English."""

    Config = Iwslt14DeEnConfig
    corpus = "iwslt14"
    languages = ("de", "en")


TASK = Iwslt14DeEn

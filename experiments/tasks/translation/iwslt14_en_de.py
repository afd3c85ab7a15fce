"""IWSLT'14 from English into German (the paper's Table 2)."""

from typing import Literal

from experiments.tasks.translation.config import TranslationConfig
from experiments.tasks.translation.task import Translation


class Iwslt14EnDeConfig(TranslationConfig):
    """Nothing of its own."""

    name: Literal["iwslt14_en_de"]


class Iwslt14EnDe(Translation):
    """English to German."""

    Config = Iwslt14EnDeConfig
    corpus = "iwslt14"
    languages = ("en", "de")


TASK = Iwslt14EnDe

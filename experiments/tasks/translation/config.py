"""The translation tasks without their data: sizes, and which corpus and direction."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from experiments.tasks.config import Metric, Resolution, TaskConfig

TRANSLATIONS = "translations.jsonl"
"""Kept by a complete run: source, reference and translation of every sentence of the test set."""

SIGNATURE = "sacrebleu.txt"
"""Likewise: how sacreBLEU counted."""


class TranslationConfig(TaskConfig):
    """Sizes of the Transformer and of the data; the protocol sets them."""

    probe_batch = 1000  # tokens
    corpus: ClassVar[Literal["iwslt14", "wmt16"]]
    languages: ClassVar[tuple[str, str]]
    test_sets: ClassVar[tuple[str, ...]] = ("test",)

    layers: int = Field(gt=0, description="of the encoder, and as many of the decoder")
    width: int = Field(ge=4, description="of embeddings and layers")
    heads: int = Field(gt=0, description="of every attention")
    ffn: int = Field(gt=0, description="inner width of the feed-forward parts")
    share_embeddings: Literal["none", "decoder", "all"] = Field(
        description="decoder: the decoder's input and output have one matrix; all: the encoder's "
        "input too, for which both languages need one dictionary"
    )
    dropout: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    merges: int | None = Field(
        gt=0, description="BPE merges; null: the corpus' own (10,000 and 32,000)"
    )
    longest: int | None = Field(
        gt=0, description="pieces a side may have, in training and evaluation; null: 1,024"
    )
    train_examples: int | None = Field(gt=0, description="the first so many pairs; null: all")
    validation_examples: int | None = Field(gt=0, description="the first so many; null: all")
    test_examples: int | None = Field(gt=0, description="the first so many; null: all")
    test_set: str = Field(description="which of the corpus' test sets")
    beam: int = Field(gt=0, description="hypotheses kept in search")
    search_length: tuple[float, int] = Field(
        strict=False,
        description="(a, b): translations have at most a·(source's pieces) + b pieces",
    )
    validation_translations: int = Field(
        ge=0,
        description="pairs of the validation set to translate at every evaluation, for BLEU's "
        "growth; the test set is translated at the end",
    )

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "TranslationConfig":
        if self.width % self.heads:
            raise ValueError(f"task.heads={self.heads}: must divide task.width={self.width}")
        return self

    @field_validator("test_set")
    @classmethod
    def _is_one_of_the_corpus(cls, value: str) -> str:
        if value not in cls.test_sets:
            raise ValueError(f"write {' or '.join(cls.test_sets)}")
        return value

    @field_validator("search_length")
    @classmethod
    def _lets_a_piece_be_found(cls, value: tuple[float, int]) -> tuple[float, int]:
        a, b = value
        if a < 0 or b < 0 or a + b < 1:
            raise ValueError("write two numbers of at least 0, together at least 1")
        return value

    @property
    def metric(self) -> Metric:
        return Metric("bleu", "max", "BLEU", chance=0.0)

    def describe(self) -> str:
        data = "written numbers (STAND-IN)" if self.dataset == "standin" else self.corpus
        short = f" of at most {self.longest} pieces" if self.longest else ""
        counts = f"{self.train_examples or 'all'} training, {self.test_examples or 'all'} test"
        merges = f"{self.merges} merges" if self.merges else "its own merges"
        return (
            f"Transformer {self.layers}+{self.layers} layers, width {self.width}, "
            f"{self.heads} heads, FFN {self.ffn}; {data} {'-'.join(self.languages)}, {merges}, "
            f"{counts} pairs{short}"
        )

    def resolve_dataset(self, data_dir: Path) -> Resolution:
        from experiments.tasks.translation.corpora import resolve_corpus

        return resolve_corpus(self.corpus, self.dataset, data_dir)

    def digest(self, data_dir: Path) -> str:
        """Prepares the corpus if it is not yet."""
        from experiments.tasks.translation.corpora import source_of
        from experiments.tasks.translation.data import prepare

        return prepare(source_of(self.corpus, self.dataset, data_dir), self.merges).digest


class Iwslt14DeEnConfig(TranslationConfig):
    """German to English (the paper's Figs. 1-3 and Table 2)."""

    title = "IWSLT'14 De-En"
    corpus = "iwslt14"
    languages = ("de", "en")

    name: Literal["iwslt14_de_en"]


class Iwslt14EnDeConfig(TranslationConfig):
    """English to German (the paper's Table 2)."""

    title = "IWSLT'14 En-De"
    corpus = "iwslt14"
    languages = ("en", "de")

    name: Literal["iwslt14_en_de"]


class Wmt16EnDeConfig(TranslationConfig):
    """English to German (the paper's Table 2)."""

    title = "WMT'16 En-De"
    corpus = "wmt16"
    languages = ("en", "de")
    test_sets = ("newstest2014", "newstest2016")

    name: Literal["wmt16_en_de"]

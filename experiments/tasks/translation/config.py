"""What the translation tasks have in common to configure."""

from typing import Literal

from pydantic import Field, model_validator

from experiments.config.schema import TaskConfig


class TranslationConfig(TaskConfig):
    """Sizes of the Transformer and of the data; the protocol sets them."""

    layers: int = Field(gt=0, description="of the encoder, and as many of the decoder")
    width: int = Field(gt=0, description="of embeddings and layers")
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

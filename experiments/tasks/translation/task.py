"""The three translation tasks are one class; a configuration says which corpus and direction."""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.errors import UserError
from experiments.ranks import rank_slice
from experiments.tasks.config import ProtocolConfig
from experiments.tasks.task import Counts, Split, Task, add_counts
from experiments.tasks.translation import bleu, bpe
from experiments.tasks.translation.batches import Batches, PairBatch, load_pairs
from experiments.tasks.translation.config import SIGNATURE, TRANSLATIONS, TranslationConfig
from experiments.tasks.translation.corpora import source_of
from experiments.tasks.translation.data import prepare
from experiments.tasks.translation.fairseq_library import need_fairseq
from experiments.tasks.translation.model import Translator, build_transformer

log = logging.getLogger(__name__)

SENTENCES_A_BATCH = 128
"""Sentences translated at a time (the authors' ``--batch-size 128``)."""


class Translation(Task[PairBatch]):
    """Sentences of one language into another; tokens of the target are what is counted.

    ``protocol.batch_size`` is fairseq's ``--max-tokens``: tokens of a batch, its padding among
    them, of whichever side has more.
    """

    config: TranslationConfig

    def __init__(
        self,
        config: TranslationConfig,
        protocol: ProtocolConfig,
        *,
        data_dir: Path,
        device: torch.device,
        seed: int,
    ) -> None:
        self.config, self.device, self.seed = config, device, seed
        self.metric, self.languages = config.metric, config.languages
        self.prepared = prepare(
            source_of(config.corpus, config.dataset, data_dir), config.merges, log.info
        )
        self.origin, self.digest = self.prepared.origin, self.prepared.digest
        if config.share_embeddings == "all" and not self._joined():
            raise UserError(
                "task.share_embeddings=all: the languages have dictionaries of their own here; "
                "write decoder or none"
            )
        self.fairseq = _fairseq_task(self.prepared.folder, self.languages)
        self.dictionary = self.fairseq.target_dictionary
        sizes = {
            "train": config.train_examples,
            "valid": config.validation_examples,
            self._test_split(): config.test_examples,
        }
        loaded = {
            split: load_pairs(
                self.prepared, split, self.fairseq, first=first, longest=config.longest
            )
            for split, first in sizes.items()
        }
        train, valid, test = (
            Batches(dataset, protocol.batch_size, seed, device) for dataset, _ in loaded.values()
        )
        self.train = train
        self.held_out: dict[Split, Batches] = {"validation": valid, "test": test}
        self.references: dict[Split, list[tuple[str, str]]] = {}
        stored: dict[Split, str] = {"validation": "valid", "test": self._test_split()}
        for name, split in stored.items():
            sides = [self.prepared.text(split, language) for language in self.languages]
            chosen = loaded[split][1]
            self.references[name] = [(sides[0][i], sides[1][i]) for i in chosen]
        self.splits = ("validation", "test")
        self.batches_per_epoch = len(train)
        translated = min(config.validation_translations, len(valid.dataset))
        share = translated / max(1, len(valid.dataset))
        # Search costs about a forward pass for each hypothesis kept.
        self.held_out_examples = int(valid.tokens * (1 + share * config.beam))
        self.translations: list[dict[str, str]] = []

    def due(self, *, last: bool) -> tuple[Split, ...]:
        """The test set is translated once, at the end."""
        return self.splits if last else ("validation",)

    def build_model(self) -> nn.Module:
        transformer = build_transformer(self.config, self.fairseq)
        model = Translator(transformer, self.config.label_smoothing, self.dictionary.pad())
        return model.to(self.device)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[PairBatch]:
        return self.train.epoch(epoch, skip)

    def loss(self, model: nn.Module, batch: PairBatch) -> tuple[Tensor, Counts]:
        loss, nll = model(*batch.inputs)
        return loss / max(1, batch.tokens), {
            "count": torch.tensor(batch.tokens, device=loss.device),
            "loss": loss.detach().double(),
            "nll": nll.double(),
        }

    def evaluate(self, model: nn.Module, split: Split) -> Counts:
        model.eval()
        total = Counts()
        for batch in self.held_out[split].in_order():
            add_counts(total, self.loss(model, batch)[1])
        some = None if split == "test" else self.config.validation_translations
        if some != 0:
            own = range(len(self.references[split]))[:some]
            own = own[rank_slice(len(own))]
            found = self.translate(model, split, own)
            pairs = [self.references[split][i] for i in own]
            if split == "test":
                self.translations = [
                    {"source": source, "reference": reference, "translation": ours}
                    for (source, reference), ours in zip(pairs, found, strict=True)
                ]
            references = [reference for _, reference in pairs]
            counts = bleu.count(found, references, self.languages[1])
            add_counts(total, {k: v.to(self.device) for k, v in counts.items()})
        return total

    def metrics(self, counts: Mapping[str, float]) -> dict[str, float]:
        nll = counts["nll"] / counts["count"]
        return {
            "loss": counts["loss"] / counts["count"],
            "perplexity": math.exp(min(nll, 700.0)),
            **bleu.scores(counts),
        }

    def files(self) -> dict[str, str]:
        if not self.translations:
            return {}
        # Where several processes share the test set: the first one's part.
        lines = (json.dumps(line, ensure_ascii=False) for line in self.translations)
        return {
            TRANSLATIONS: "".join(f"{line}\n" for line in lines),
            SIGNATURE: f"{bleu.signature()}\n",
        }

    def translate(self, model: nn.Module, split: Split, chosen: Sequence[int]) -> list[str]:
        """Beam search over the ``chosen`` pairs of a split: tokenised lines, BPE removed."""
        from fairseq.sequence_generator import SequenceGenerator

        dataset = self.held_out[split].dataset
        a, b = self.config.search_length
        search = SequenceGenerator(
            [model.transformer],
            self.dictionary,
            beam_size=self.config.beam,
            max_len_a=a,
            max_len_b=b,
        )
        by_length = sorted(chosen, key=lambda i: int(dataset.src_sizes[i]))
        lines = dict[int, str]()
        for start in range(0, len(by_length), SENTENCES_A_BATCH):
            here = by_length[start : start + SENTENCES_A_BATCH]
            sample = dataset.collater([dataset[i] for i in here])
            inputs = sample["net_input"]
            on_device = {key: inputs[key].to(self.device) for key in ("src_tokens", "src_lengths")}
            found = search.generate([], {"net_input": on_device})
            for i, hypotheses in zip(sample["id"].tolist(), found, strict=True):
                pieces = hypotheses[0]["tokens"].int().cpu()
                lines[i] = bpe.undo(self.dictionary.string(pieces))
        return [lines[i] for i in chosen]

    def _joined(self) -> bool:
        texts = ((self.prepared.folder / f"dict.{la}.txt").read_bytes() for la in self.languages)
        return len(set(texts)) == 1

    def _test_split(self) -> str:
        tests = self.prepared.tests
        if self.config.dataset == "standin":
            return "test"
        if self.config.test_set not in tests:
            raise UserError(
                f"task.test_set={self.config.test_set}: {self.prepared.source} has "
                f"{', '.join(tests)}"
            )
        return f"test{tests.index(self.config.test_set) or ''}"


def _fairseq_task(folder: Path, languages: tuple[str, str]) -> Any:
    """fairseq's ``TranslationTask`` over a prepared folder: dictionaries, limits, languages."""
    need_fairseq()
    from fairseq.tasks.translation import TranslationConfig as FairseqConfig
    from fairseq.tasks.translation import TranslationTask

    source, target = languages
    settings = FairseqConfig(data=str(folder), source_lang=source, target_lang=target)
    dictionaries = (
        TranslationTask.load_dictionary(str(folder / f"dict.{language}.txt"))
        for language in languages
    )
    return TranslationTask(settings, *dictionaries)


TASK = Translation

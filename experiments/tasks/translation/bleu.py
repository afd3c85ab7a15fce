"""BLEU as sums, so that the counts of two parts of a test set add up to the whole's."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from experiments.tasks.task import Counts
from experiments.tasks.translation import moses

ORDER = 4


def count(translations: Sequence[str], references: Sequence[str], language: str) -> Counts:
    """The sums of both BLEUs over tokenised translations, BPE removed.

    ``bleu``: of the tokens as they are (the paper's: fairseq's, Moses' multi-bleu). ``sacrebleu``:
    of running text, tokenised anew by sacreBLEU's own rules.
    """
    plain = moses.detokenizer(language)
    running = ([plain(line) for line in lines] for lines in (translations, references))
    return {
        **_count("bleu", _scorer("none"), translations, references),
        **_count("sacrebleu", _scorer("13a"), *running),
    }


def scores(counts: Mapping[str, float]) -> dict[str, float]:
    """BLEU from sums, 0-100: ``bleu`` and ``sacrebleu``; nothing where nothing was translated."""
    from sacrebleu.metrics.bleu import BLEU

    found = {}
    for name in ("bleu", "sacrebleu"):
        if f"{name}_length" not in counts:
            continue
        matches, totals = (
            [int(counts[f"{name}_{what}{n}"]) for n in range(1, ORDER + 1)]
            for what in ("matches", "ngrams")
        )
        length, reference = (int(counts[f"{name}_{what}"]) for what in ("length", "reference"))
        # Smoothing shows only where an order has no match; the paper's BLEU is 0 there.
        smooth = "none" if name == "bleu" else "exp"
        score = BLEU.compute_bleu(matches, totals, length, reference, smooth_method=smooth)
        found[name] = float(score.score)
    return found


def signature() -> str:
    """sacreBLEU's signature of ``sacrebleu``."""
    scorer = _scorer("13a")
    scorer.corpus_score(["a"], [["a"]])  # it counts the references when it scores
    return str(scorer.get_signature())


def _scorer(tokenize: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenize, force=True)


def _count(name: str, scorer: Any, lines: Sequence[str], references: Sequence[str]) -> Counts:
    score = scorer.corpus_score(list(lines), [list(references)])
    sums = {f"matches{n}": c for n, c in enumerate(score.counts, 1)}
    sums |= {f"ngrams{n}": c for n, c in enumerate(score.totals, 1)}
    sums |= {"length": score.sys_len, "reference": score.ref_len}
    return {f"{name}_{key}": torch.tensor(value) for key, value in sums.items()}

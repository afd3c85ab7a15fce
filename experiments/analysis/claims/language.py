"""C05, C06, X02: One Billion Word. C01, C02, C12-C14: translation.

The final figure counts here: the paper trains for a fixed length and reports its end.
"""

from experiments.analysis.claims.evidence import Evidence
from experiments.analysis.claims.rules import (
    Finding,
    above,
    as_good,
    better,
    finding,
    larger,
)

RATE_LM1B = 1e-3
RATE_IWSLT = 3e-4

LEAST_PERPLEXITY = 0.3
"""A quarter of the paper's difference (36.92 − 35.70), and just under 1 %."""

LEAST_LOSS = 0.01
"""Nats from which a difference of training losses counts: 1 % of perplexity."""

FIRST_UPDATES = 2000
"""C06's "first updates": 2/(1−β2) at β2 = .999, the length of the untuned warmup, over which the
rectification acts."""

BAD_OPTIMUM = 1.8
"""Times the others' training loss from which an optimum is "bad": half-way, in ratio, between
none and the paper's (10 against 3; sqrt(10/3) = 1.83)."""

CLEARLY_WORSE = 1.03
"""Times the others' training loss from which Adam-eps is "clearly" worse: .1 of 3, about the
least that can be seen in Fig. 1."""

AS_GOOD_BLEU = 0.3
"""BLEU that "as good" may be worse: on test sets of 3,000 to 7,000 sentences smaller differences
are seldom significant, and the paper calls methods alike that differ by up to .24."""

HEALTHY = ("adam_warmup", "adam_2k", "adam_eps", "radam")


def c01(e: Evidence) -> Finding:
    """Final training loss at α = 3e-4, Adam against each of the four others."""
    adam = e.train_loss("adam", _rate_iwslt(e))
    others = [e.train_loss(name, _rate_iwslt(e)) for name in HEALTHY]
    return finding([adam, *others], [larger(adam, other, BAD_OPTIMUM) for other in others])


def c02(e: Evidence) -> Finding:
    """Final training loss at α = 3e-4, Adam-eps against each of the three others."""
    eps = e.train_loss("adam_eps", _rate_iwslt(e))
    names = (name for name in HEALTHY if name != "adam_eps")
    others = [e.train_loss(name, _rate_iwslt(e)) for name in names]
    return finding([eps, *others], [larger(eps, other, CLEARLY_WORSE) for other in others])


def _rate_iwslt(e: Evidence) -> float | None:
    """The paper's α; what decides nothing is shown at its protocol's own (None)."""
    return RATE_IWSLT if e.decides else None


def c05(e: Evidence) -> Finding:
    """Final test perplexity at α = .001."""
    adam, radam = (e.sample(name, RATE_LM1B, "final") for name in ("adam", "radam"))
    return finding([adam, radam], [better(radam, adam, LEAST_PERPLEXITY)])


def c06(e: Evidence) -> Finding:
    """Training loss over the first 2,000 updates: Adam's is lower; over the last epoch: RAdam's."""
    last = int(e.section.runs["updates"].max() or 0)  # type: ignore[arg-type]  # of numbers
    epochs = float(e.section.runs["epochs"].max() or 1)  # type: ignore[arg-type]  # of numbers
    early, late = (0, FIRST_UPDATES), (round(last * (1 - 1 / max(epochs, 2))), last)
    adam, radam = (
        [e.mean_train_loss(name, RATE_LM1B, *window) for window in (early, late)]
        for name in ("adam", "radam")
    )
    return finding(
        [adam[0], radam[0], adam[1], radam[1]],
        [better(adam[0], radam[0], LEAST_LOSS), better(radam[1], adam[1], LEAST_LOSS)],
    )


def x02(e: Evidence) -> Finding:
    """Which is nearer, the users' figures or the paper's? Limits half-way between the two."""
    limits = {"adam": (41 + 36.92) / 2, "radam": (40 + 35.70) / 2}
    samples = {name: e.sample(name, RATE_LM1B, "final") for name in limits}
    return finding(
        samples.values(),
        [
            above(f"perplexity of {samples[name].name}", samples[name].mean, limit)
            for name, limit in limits.items()
        ],
    )


def bleu(e: Evidence) -> Finding:
    """C12-C14: BLEU of RAdam against Adam+warmup, each at its protocol's own α."""
    warmup, radam = (e.sample(name, None, "final") for name in ("adam_warmup", "radam"))
    return finding([warmup, radam], [as_good(radam, warmup, AS_GOOD_BLEU)])

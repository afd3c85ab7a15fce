"""C07-C11, C15, X01: image classification.

Test accuracy is the best over a run's evaluations (``best``): that is what the authors' code
reports, without a validation split. The final accuracy stands beside it in the report.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from experiments.analysis.claims.conditions import as_good, better, varies, varies_more
from experiments.analysis.claims.evidence import Evidence
from experiments.analysis.claims.finding import Finding, finding
from experiments.analysis.claims.samples import Arm, Sample
from experiments.analysis.claims.verdict import NotRun

RATES = (0.1, 0.03, 0.01, 0.003)
"""α of Figs. 6 and 7."""

WARMUPS = (100, 200, 500, 1000)
"""Warmup lengths of Fig. 7, in updates."""

LEAST = 0.3
"""Points of CIFAR-10 accuracy from which a difference counts: the standard error of 91 % on
10,000 test images is .29, so less cannot be told from the choice of the test set."""

LEAST_IMAGENET = 0.2
"""The same for ImageNet: 68 % on 50,000 images has a standard error of .21."""

AS_GOOD = 0.5
"""Points that "as good" may be worse: half of what a plateau allows (1 % of ~91), and twice the
paper's own gaps where it calls two methods alike (SGD and RAdam .13; C11's .23)."""

AS_GOOD_IMAGENET = 0.5
"""The same; the paper's smallest difference between two methods on ImageNet is 1.08."""

LEAST_LOSS = 0.004
"""Nats of training loss from which a difference counts in Table 3: a quarter of its smallest
(.038 − .021)."""

LEAST_ERROR = 0.1
"""Points of training error likewise: a fifth of the table's smallest difference (1.23 − .74)."""


def c07(e: Evidence) -> Finding:
    """Each optimizer at its best α of Fig. 6's, since which α gave Table 1 is not stated."""
    return _table1(e, RATES, LEAST, AS_GOOD)


def c08(e: Evidence) -> Finding:
    """As C07; α for SGD and Adam is not stated, so each at the best of those it ran at."""
    return _table1(e, None, LEAST_IMAGENET, AS_GOOD_IMAGENET)


def _table1(e: Evidence, rates: tuple[float, ...] | None, least: float, margin: float) -> Finding:
    sgd, adam, radam = (
        e.best_arm(name, "best", rates, printed)
        for name, printed in (("sgd", "SGD"), ("adam", "Adam"), ("radam", "RAdam"))
    )
    return finding([sgd, adam, radam], [better(radam, adam, least), as_good(sgd, radam, margin)])


def c09(e: Evidence) -> Finding:
    """Training accuracy of the last epoch, each optimizer at the α with its best test accuracy."""
    arms = []
    for name, printed in (("sgd", "SGD"), ("adam", "Adam"), ("radam", "RAdam")):
        lr = e.best_lr(name, "best")
        arms.append(e.train_accuracy(name, lr, printed))
    *others, radam = arms
    return finding(arms, [better(radam, other, LEAST_IMAGENET) for other in others])


def c10(e: Evidence) -> Finding:
    """ "Nearly constant" is said beside the others, and so tested: over the four α each of Adam and
    SGD spreads further than RAdam, by more than the test set's own error. Every cell must have run.

    Their level is that of Table 1: Fig. 6 has the same runs.
    """
    radam, adam, sgd = (
        e.best_arm(name, "best", RATES, printed, all_of_them=True)
        for name, printed in (("radam", "RAdam"), ("adam", "Adam"), ("sgd", "SGD"))
    )
    found = finding([radam, adam, sgd], [varies_more(x, radam, LEAST) for x in (adam, sgd)])
    ours = tuple(f"over α: {_cells(arm.samples)}" for arm in (radam, adam, sgd))
    return replace(found, ours=ours)


def _cells(samples: Sequence[Sample]) -> str:
    return "; ".join(str(sample) for sample in samples)


def c11(e: Evidence) -> Finding:
    """Its length needs tuning: at α = .1, where the paper shows it, accuracy spreads over the four
    lengths by more than counts. And RAdam at its best α is as good as the best of all lengths and
    α, each of which it is compared with."""
    ran = e.warmup_lengths("adam_warmup")
    lengths = WARMUPS if e.decides else ran
    if len(lengths) < 2 or set(lengths) - set(ran):
        missing = sorted(set(lengths) - set(ran)) or "a second length"
        raise NotRun(f"Adam+warmup with warmups of {missing} updates")
    tuned, radam = (e.best_arm(name, "best", RATES) for name in ("adam_warmup", "radam"))
    cells = []
    for length in lengths:
        for lr in RATES:
            arm = e.arm("adam_warmup", lr, "best", warmup_updates=length)  # all must have run
            if lr == RATES[0]:
                cells.append(arm.best)
    shortest = cells[0]
    if lengths[0] == WARMUPS[0]:
        shortest = replace(shortest, printed="Adam+warmup, 100 updates, α = .1")
    own = e.arm("radam", RATES[0], "best", "RAdam, α = .1")
    tuned = Arm(tuple(replace(s, printed="Adam+warmup (its best)") for s in tuned.samples))
    conditions = [varies(Arm(tuple(cells)), LEAST), as_good(radam, tuned, AS_GOOD)]
    return finding([Arm((shortest,)), own, tuned, radam], conditions)


VARIANTS = {
    "rectified": "RAdam",
    "adam": "Adam in 1-4",
    "sgd_then_adam": "SGD in 1-4 and Adam in 5-8",
}
"""Table 3's, as ``first_updates`` has them and as the paper prints them."""


def c15(e: Evidence) -> Finding:
    """Both changes must cost accuracy, training loss and training error."""
    arms, conditions = [], []
    for measured, least in (
        (partial(e.arm, kind="best"), LEAST),
        (e.train_loss, LEAST_LOSS),
        (e.train_error, LEAST_ERROR),
    ):
        own, *changed = (
            measured("radam_4step", 0.1, printed=printed, first_updates=variant)
            for variant, printed in VARIANTS.items()
        )
        arms += [own, *changed]
        conditions += [better(own, other, least) for other in changed]
    return finding(arms, conditions)


def x01(e: Evidence) -> Finding:
    """Each at its best α of Fig. 6's; alike, so that neither is better by the margin. RAdam's level
    is that of Table 1."""
    untuned = e.best_arm("adam_untuned_linear", "best", RATES)
    radam = e.best_arm("radam", "best", RATES, "RAdam")
    return finding(
        [untuned, radam], [as_good(untuned, radam, AS_GOOD), as_good(radam, untuned, AS_GOOD)]
    )

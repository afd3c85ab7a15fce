"""C07-C11, C15, X01: image classification.

Test accuracy is the best over a run's evaluations (``best``): that is what the authors' code
reports, without a validation split. The final accuracy stands beside it in the report.
"""

from experiments.analysis.claims.evidence import Evidence
from experiments.analysis.claims.rules import (
    MIN_SEEDS,
    Condition,
    Finding,
    NotRun,
    above,
    as_good,
    below,
    better,
    computed,
    finding,
    holds,
)
from experiments.analysis.robustness import upward
from experiments.analysis.statistics import TOLERANCE, Estimate, spread

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


def c07(e: Evidence) -> Finding:
    """Each optimizer at its best α of Fig. 6's, since which α gave Table 1 is not stated."""
    return _table1(e, RATES, LEAST, AS_GOOD)


def c08(e: Evidence) -> Finding:
    """As C07; α for SGD and Adam is not stated, so each at the best of those it ran at."""
    return _table1(e, None, LEAST_IMAGENET, AS_GOOD_IMAGENET)


def _table1(e: Evidence, rates: tuple[float, ...] | None, least: float, margin: float) -> Finding:
    sgd, adam, radam = (e.best_sample(name, "best", rates) for name in ("sgd", "adam", "radam"))
    return finding([sgd, adam, radam], [better(radam, adam, least), as_good(sgd, radam, margin)])


def c09(e: Evidence) -> Finding:
    """Training accuracy of the last epoch, each optimizer at the α with its best test accuracy."""
    samples = {}
    for name in ("sgd", "adam", "radam"):
        cell = e.best_cell(name, "best")
        samples[name] = e.last_train_accuracy(name, cell.lr)
    radam = samples["radam"]
    others = (samples["sgd"], samples["adam"])
    return finding(samples.values(), [better(radam, other, LEAST_IMAGENET) for other in others])


def c10(e: Evidence) -> Finding:
    """ "Nearly constant" is the plateau's 1 %: the spread over the four α is at most 1 % of the
    best mean for RAdam, and more for Adam and for SGD. Every cell must have run."""
    ours: list[str] = []
    parts: list[Condition] = []
    seeds: list[int] = []
    for name in ("radam", "adam", "sgd"):
        cells = e.cells(name, RATES, "best")
        grid, label = e.grid("best"), cells[0].method.label
        means = [grid.value(cell) for cell in cells]
        n, diverged = min(cell.n for cell in cells), sum(cell.diverged for cell in cells)
        table = upward(cells, grid)
        over = Estimate(max(means) - min(means), None, None, n) if table is None else spread(table)
        limit = round(TOLERANCE * max(means), 2)
        test = below if name == "radam" else above
        if diverged and n >= MIN_SEEDS:
            parts.append(holds(name != "radam", f"{label} diverges at some α"))
        else:
            parts.append(test(f"spread of {label} over α", over, limit))
        lost = f", {diverged} diverged" if diverged else ""
        ours.append(f"{label} {over.text()}{lost}")
        seeds.append(n)
    return computed([f"spread of test accuracy over α: {'; '.join(ours)}"], parts, min(seeds))


def c11(e: Evidence) -> Finding:
    """The paper's own pair shows that the length matters: at α = .1 the shortest warmup is worse
    than RAdam. Against the best of all lengths and α, RAdam at its best α is as good."""
    ran = e.warmup_lengths("adam_warmup")
    lengths = WARMUPS if e.decides else ran
    if len(lengths) < 2 or set(lengths) - set(ran):
        missing = sorted(set(lengths) - set(ran)) or "a second length"
        raise NotRun(f"Adam+warmup with warmups of {missing} updates")
    for length in lengths:
        for lr in RATES:
            e.sample("adam_warmup", lr, "best", warmup_updates=length)  # all must have run
    shortest = e.sample("adam_warmup", RATES[0], "best", warmup_updates=lengths[0])
    radam = e.sample("radam", RATES[0], "best")
    tuned, free = (e.best_sample(name, "best", RATES) for name in ("adam_warmup", "radam"))
    return finding(
        [shortest, radam, tuned, free],
        [better(radam, shortest, LEAST), as_good(free, tuned, AS_GOOD)],
    )


def c15(e: Evidence) -> Finding:
    """Both changes must cost accuracy and training loss. Training error is shown with them."""
    variants = ("rectified", "adam", "sgd_then_adam")
    accuracy, loss, shown = {}, {}, []
    for variant in variants:
        accuracy[variant] = e.sample("radam_4step", 0.1, "best", first_updates=variant)
        loss[variant] = e.train_loss("radam_4step", 0.1, first_updates=variant)
        shown += [accuracy[variant], loss[variant]]
    parts = []
    for variant in variants[1:]:
        parts.append(better(accuracy["rectified"], accuracy[variant], LEAST))
        parts.append(better(loss["rectified"], loss[variant], LEAST_LOSS))
    return finding(shown, parts)


def x01(e: Evidence) -> Finding:
    """Each at its best α of Fig. 6's."""
    untuned, radam = (
        e.best_sample(name, "best", RATES) for name in ("adam_untuned_linear", "radam")
    )
    return finding([untuned, radam], [as_good(untuned, radam, AS_GOOD)])

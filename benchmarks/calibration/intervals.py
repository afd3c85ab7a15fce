"""How often the intervals hold the truth, and how often a test at its edge is wrong.

It calls the functions that the reports call, on invented scores of a section of six methods at
four rates.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from benchmarks.calibration.worlds import RATES, SD, WORLDS
from experiments.analysis.statistics import (
    Estimate,
    Floats,
    Times,
    band,
    best,
    difference,
    difference_of_best,
    difference_of_spread,
    equivalence_p,
    expected,
    interaction_p,
    lost_to_next,
    mean,
    mean_time,
    p_above,
    pairing,
    per_seed_budget,
    per_seed_expected,
    plateau,
    plateau_piece,
    probability_of_improvement,
    proportion,
    ratio,
    ratio_of_times,
    spread,
    typical_sd,
    usual_time_sd,
)

SEEDS = (2, 3, 5, 10)
METHODS = 6
CHANCE = 10.0
DIVERGES = 0.1
"""The share of runs that diverge, for the interval of how often."""
LEVEL = 0.025
"""Of the one-sided tests."""
LEVEL_INTERACTION = 0.05
BUDGET = 2
"""Tried rates, of four."""

CURVES = {
    "flat": (91.0, 91.0, 91.0, 91.0),
    "RAdam-like": (90.2, 91.0, 91.38, 91.06),
    "peaked": (90.4, 90.5, 88.0, 84.0),
    "mini RAdam": (28.06, 35.92, 40.31, 41.12),
    "mini Adam-2k": (37.74, 38.82, 38.49, 36.41),
}
"""True means of the method under test at RATES."""

SD_MINI = 1.8

UNLIKE = (4.0, 2.0, 0.0, 8.0)
"""How many SDs below its best the method is whose curve is unlike the others'."""

EVALUATIONS = np.arange(1, 41)
"""When the runs of `time_to_target` are evaluated."""
TARGET, SD_TARGET = 85.0, 1.0


@dataclass
class Count:
    """How often an interval was given, held the truth, and how far it went to either side."""

    given: int = 0
    right: int = 0
    half_widths: list[float] = field(default_factory=list)

    def interval(self, found: Estimate, truth: float, sd: float) -> None:
        """Count one interval; its half width in units of ``sd``."""
        if found.low is None or found.high is None:
            return
        slack = 1e-9 * max(1.0, abs(truth))
        self.given += 1
        self.right += found.low - slack <= truth <= found.high + slack
        self.half_widths.append((found.high - found.low) / 2 / sd)

    def test(self, rejects: bool) -> None:
        """Count one test of a hypothesis that is just true: right not to reject it."""
        self.given += 1
        self.right += not rejects

    @property
    def share(self) -> float:
        """Of those given, how many were right."""
        return self.right / max(1, self.given)


Counts = dict[str, Count]


def simulate(curve: str, world: str, n: int, repetitions: int, seed: int = 0) -> Counts:
    """Every interval and test in ``repetitions`` sections of one kind, n seeds a cell."""
    rng = np.random.default_rng([seed, n, *map(ord, curve + world)])
    truth = _truth(curve, rng, world)
    counts: Counts = {}
    for _ in range(repetitions):
        scores = truth.means[:, :, None] + truth.sd * WORLDS[world](rng, (*truth.means.shape, n))
        _over_rates(counts, scores, truth.means[0], truth.sd)
        _of_methods(counts, scores, truth)
        if curve == "flat":
            _of_cells(counts, scores, truth.means, truth.sd)
            found = probability_of_improvement(list(scores[0]), list(scores[1]), "max")
            _count(counts, "probability of improvement").interval(found, truth.wins, 1.0)
            how_often = proportion(int(rng.binomial(n, DIVERGES)), n)
            _count(counts, "share of diverged runs").interval(how_often, DIVERGES, 1.0)
            _of_times(counts, first_reached(rng, world, n), truth.times)
    return counts


@dataclass(frozen=True)
class Truth:
    """What is true of a section: means by method and α, and what has no formula, from 50,000 runs.

    All methods have one curve, but for the second, which is one SD below, and the third
    (`UNLIKE`).
    """

    means: Floats
    sd: float
    wins: float
    budget: Floats
    """By method: the expected best of BUDGET rates."""
    times: Floats
    """By method: the mean logarithm of the time to the target."""


def _truth(curve: str, rng: np.random.Generator, world: str) -> Truth:
    sd = SD_MINI if curve.startswith("mini") else SD
    means = np.tile(np.array(CURVES[curve]), (METHODS, 1))
    means[1] -= sd
    means[2] = means[0].max() - sd * np.array(UNLIKE)
    noise = sd * WORLDS[world](rng, (METHODS, len(RATES), 50_000))
    many = means[:, :, None] + noise
    budget = [float(per_seed_budget(each, BUDGET).mean()) for each in many]
    wins = float((many[0] > many[1]).mean())
    times = [each.logs.mean() for each in first_reached(rng, world, 20_000)]
    return Truth(means, sd, wins, np.array(budget), np.array(times))


def first_reached(rng: np.random.Generator, world: str, n: int) -> list[Times]:
    """When n runs of each method first reach TARGET: curves that rise towards 91 within 8
    evaluations (of the second method 10), with noise at each."""
    noise = WORLDS[world](rng, (METHODS, len(EVALUATIONS), n))
    pace = np.full((METHODS, 1, 1), 8.0)
    pace[1] = 10.0
    scores = 91 - 60 * np.exp(-EVALUATIONS[:, None] / pace) + SD_TARGET * noise
    reached = EVALUATIONS[(scores >= TARGET).argmax(axis=1)]
    return [Times(each, each - 1) for each in reached.astype(float)]


def _over_rates(counts: Counts, scores: Floats, truth: Floats, sd: float) -> None:
    own, alone = scores[0], truth[:, None]
    usual = typical_sd(per_seed_expected(each, RATES) for each in scores)
    begin, end = plateau_piece(truth, RATES, CHANCE)
    mean_score = float(per_seed_expected(alone, RATES)[0])
    for name, found, true, unit in (
        ("best", best(own), truth.max(), sd),
        ("spread", spread(own), np.ptp(truth), sd),
        ("plateau", plateau(own, RATES, CHANCE), end - begin, 1.0),
        ("expected", expected(own, RATES, usual), mean_score, sd),
    ):
        _count(counts, name).interval(found, float(true), unit)


def _of_methods(counts: Counts, scores: Floats, truth: Truth) -> None:
    """The first method against one with the same curve, one unlike it, and all others."""
    sd, own = truth.sd, scores[0]
    tables = {"": 1, ", unlike curves": 2}
    means = np.array([per_seed_expected(each, RATES) for each in scores])
    true_means = [float(per_seed_expected(each[:, None], RATES)[0]) for each in truth.means]
    tried = np.array([per_seed_budget(each, BUDGET) for each in scores])
    usual = {"expected": typical_sd(means), "budget": typical_sd(tried)}
    pairs = {"expected": pairing(means), "budget": pairing(tried)}
    top, range_ = truth.means.max(axis=1), np.ptp(truth.means, axis=1)
    for which, k in tables.items():
        gap = difference_of_best(own, scores[k])
        _count(counts, f"difference of best{which}").interval(gap, top[0] - top[k], sd)
        gap = difference_of_spread(own, scores[k])
        _count(counts, f"difference of spread{which}").interval(gap, range_[0] - range_[k], sd)
    gap = difference(means[0], means[1], pairs["expected"], usual["expected"])
    _count(counts, "difference of expected").interval(gap, true_means[0] - true_means[1], sd)
    gap = difference_of_best(means[:1], means[1:])
    best_mean = max(true_means[1:])
    _count(counts, "expected, from the best").interval(gap, true_means[0] - best_mean, sd)
    gap = difference_of_best(own, scores[1:].reshape(-1, scores.shape[2]))
    _count(counts, "best, from the best").interval(gap, top[0] - top[1:].max(), sd)
    found = mean(tried[0], usual["budget"])
    _count(counts, "best of 2 rates").interval(found, float(truth.budget[0]), sd)
    gap = difference(tried[0], tried[1], pairs["budget"], usual["budget"])
    difference_ = float(truth.budget[0] - truth.budget[1])
    _count(counts, "difference of best of 2 rates").interval(gap, difference_, sd)
    second, first = np.sort(truth.means[0])[-2:]
    _count(counts, "lost at the next best").interval(lost_to_next(own), float(first - second), sd)
    for name, chosen in (("two methods", [0, 1]), ("five methods", [0, 1, 3, 4, 5])):
        p = interaction_p(scores[chosen])
        assert p is not None  # two seeds at least
        _count(counts, f"test: no interaction of {name}").test(p < LEVEL_INTERACTION)


def _of_times(counts: Counts, times: list[Times], truth: Floats) -> None:
    """Times to the target."""
    usual, pairs = usual_time_sd(times), pairing([each.logs for each in times])
    first, ratio_ = math.exp(truth[0]), math.exp(truth[0] - truth[1])
    found = mean_time(times[0], usual)
    _count(counts, "time to a target").interval(found, first, first)
    found = ratio_of_times(times[0], times[1], pairs, usual)
    _count(counts, "ratio of times to a target").interval(found, ratio_, ratio_)


def _of_cells(counts: Counts, scores: Floats, truth: Floats, sd: float) -> None:
    """Of the first cell, which is the noisy one where SDs are unequal, and of another."""
    n = scores.shape[2]
    cells = scores.reshape(-1, n)
    usual, pairs = typical_sd(cells), pairing(cells)
    assert usual is not None  # two seeds at least
    a, b = scores[0], scores[1]
    for k, which in ((0, ", first cell"), (1, "")):
        _count(counts, f"mean{which}").interval(mean(a[k], usual), truth[0, k], sd)
        gap = difference(a[k], b[k], pairs, usual)
        _count(counts, f"difference{which}").interval(gap, sd, sd)
    level = truth[0, 1]
    fraction = ratio(a[1], b[1], pairs, usual / level)
    _count(counts, "ratio").interval(fraction, level / truth[1, 1], sd / level)
    edges = band(a.T, [typical_sd(scores[:, k]) or 0.0 for k in range(len(RATES))])
    assert edges is not None
    at = Estimate(float(a[1].mean()), float(edges[0][1]), float(edges[1][1]), n)
    _count(counts, "curve band").interval(at, level, sd)
    _count(counts, "test: better, at no effect").test(p_above(gap, sd) < LEVEL)
    _count(counts, "test: equivalent, at the margin").test(equivalence_p(gap, sd) < LEVEL)


def _count(counts: Counts, name: str) -> Count:
    return counts.setdefault(name, Count())


def calibrate(repetitions: int) -> list[dict[str, object]]:
    """A row an interval or test, curve, world and number of seeds."""
    rows: list[dict[str, object]] = []
    for curve in CURVES:
        for world in WORLDS:
            for n in SEEDS:
                for name, count in simulate(curve, world, n, repetitions).items():
                    width = float(np.median(count.half_widths)) if count.half_widths else None
                    row = {"of": name, "curve": curve, "world": world, "seeds": n}
                    rows.append({**row, "right": count.share, "half_width": width})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Markdown: an interval or test a line, at each n the least and the most over all curves and
    worlds; and in which world the least of all was."""
    lines = ["| of | n = 2 | 3 | 5 | 10 | worst in |", "|---|---|---|---|---|---|"]
    for name in dict.fromkeys(row["of"] for row in rows):
        own = [(float(str(row["right"])), row) for row in rows if row["of"] == name]
        cells = []
        for n in SEEDS:
            shares = [share for share, row in own if row["seeds"] == n]
            cells.append(f"{min(shares):.3f}–{max(shares):.3f}")
        _, worst = min(own, key=lambda pair: pair[0])
        lines.append(f"| {name} | {' | '.join(cells)} | {worst['world']} |")
    return "\n".join(lines)

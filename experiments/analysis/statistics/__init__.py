"""Intervals, tests and seeds needed; what covers what is measured in docs/statistics.md.

Scores come as one number a seed on a scale where differences mean something: perplexities as
their logarithms, everything else as it is (`scale`). NaN is refused. One seed gives no interval.
"""

from experiments.analysis.statistics.decisions import (
    equivalence_p,
    holm,
    intersection_p,
    p_above,
    p_below,
    p_differs,
)
from experiments.analysis.statistics.estimate import CONFIDENCE, Estimate, Floats, number, quantile
from experiments.analysis.statistics.means import band, difference, mean, ratio, typical_sd
from experiments.analysis.statistics.pairing import UNPAIRED, Pairing, pairing
from experiments.analysis.statistics.power import (
    power_above,
    power_equivalent,
    seeds_for_equivalence,
    seeds_to_show,
)
from experiments.analysis.statistics.proportions import (
    performance_profile,
    probability_of_improvement,
    proportion,
)
from experiments.analysis.statistics.rates import (
    TOLERANCE,
    best,
    expected,
    per_seed_expected,
    plateau,
    plateau_piece,
    spread,
)
from experiments.analysis.statistics.scale import LINEAR, LOG, Scale

__all__ = [
    "CONFIDENCE",
    "LINEAR",
    "LOG",
    "TOLERANCE",
    "UNPAIRED",
    "Estimate",
    "Floats",
    "Pairing",
    "Scale",
    "band",
    "best",
    "difference",
    "equivalence_p",
    "expected",
    "holm",
    "intersection_p",
    "mean",
    "number",
    "p_above",
    "p_below",
    "p_differs",
    "pairing",
    "per_seed_expected",
    "performance_profile",
    "plateau",
    "plateau_piece",
    "power_above",
    "power_equivalent",
    "probability_of_improvement",
    "proportion",
    "quantile",
    "ratio",
    "seeds_for_equivalence",
    "seeds_to_show",
    "spread",
    "typical_sd",
]

"""Intervals, tests and seeds needed; what covers what is measured in docs/statistics.md.

Scores come as one number a seed on a scale where differences mean something: perplexities as
their logarithms, everything else as it is (`scale`). NaN is refused. One seed gives no interval.
"""

from experiments.analysis.statistics.contrasts import (
    difference_of_best,
    difference_of_spread,
    interaction_p,
    lost_to_next,
    per_seed_budget,
)
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
from experiments.analysis.statistics.selection import (
    Contrast,
    contrast_of_best,
    contrast_of_spread,
    cross_selected,
)
from experiments.analysis.statistics.times import (
    Times,
    mean_time,
    ratio_of_times,
    usual_time_sd,
)

__all__ = [
    "CONFIDENCE",
    "LINEAR",
    "LOG",
    "TOLERANCE",
    "UNPAIRED",
    "Contrast",
    "Estimate",
    "Floats",
    "Pairing",
    "Scale",
    "Times",
    "band",
    "best",
    "contrast_of_best",
    "contrast_of_spread",
    "cross_selected",
    "difference",
    "difference_of_best",
    "difference_of_spread",
    "equivalence_p",
    "expected",
    "holm",
    "interaction_p",
    "intersection_p",
    "lost_to_next",
    "mean",
    "mean_time",
    "number",
    "p_above",
    "p_below",
    "p_differs",
    "pairing",
    "per_seed_budget",
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
    "ratio_of_times",
    "seeds_for_equivalence",
    "seeds_to_show",
    "spread",
    "typical_sd",
    "usual_time_sd",
]

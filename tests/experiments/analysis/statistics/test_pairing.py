"""Whether equal seeds are seen to be alike, and when pairs are worth their price."""

import numpy as np
import pytest
from scipy import stats

from experiments.analysis.statistics import UNPAIRED, Pairing, pairing


def table(share: float, cells: int = 24, seeds: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=seeds)
    own = rng.normal(size=(cells, seeds))
    return np.arange(cells)[:, None] + np.sqrt(share) * common + np.sqrt(1 - share) * own


def test_the_share_of_the_variance_is_found() -> None:
    found = [pairing(table(0.4, seeds=10, seed=seed)).icc for seed in range(60)]
    assert np.mean(found) == pytest.approx(0.4, abs=0.05)


def test_without_a_common_effect_one_in_twenty_is_seen() -> None:
    p = [pairing(table(0.0, seed=seed)).p for seed in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_the_test_is_the_two_way_analysis_of_variance() -> None:
    scores = table(0.4)
    cells, seeds = scores.shape
    grand = scores.mean()
    between = cells * ((scores.mean(0) - grand) ** 2).sum()
    rest = ((scores - scores.mean(1)[:, None] - scores.mean(0) + grand) ** 2).sum()
    f = between / (seeds - 1) / (rest / (cells - 1) / (seeds - 1))
    assert pairing(scores).p == pytest.approx(stats.f.sf(f, seeds - 1, (cells - 1) * (seeds - 1)))


def test_pairs_are_taken_where_they_tell_more() -> None:
    strong, weak = Pairing(0.7, 1e-5), Pairing(0.4, 1e-5)
    assert [strong.paired(n) for n in (1, 2, 3, 5, 10)] == [False, False, True, True, True]
    assert [weak.paired(n) for n in (2, 3, 5, 10)] == [False, False, True, True]
    assert not Pairing(0.7, 0.2).paired(10)
    assert "paired by seed: seeds share 70%" in strong.text(3)
    assert "too little to repay pairs of 3 seeds" in weak.text(3)
    assert UNPAIRED.text(3).startswith("unpaired: no common effect")


@pytest.mark.parametrize("scores", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, np.inf]] * 2])
def test_too_little_shows_nothing(scores: list) -> None:
    assert pairing(scores) == UNPAIRED

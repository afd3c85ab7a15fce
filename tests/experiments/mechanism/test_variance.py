"""Fig. 8 and the intervals of sample variances."""

import numpy as np
import pytest

from experiments.mechanism.sampling import sample_variance
from experiments.mechanism.variance import Fig8, fig8, sampled_variance
from radam.rectification import variance


def test_the_variance_is_the_unbiased_one():
    values = np.random.default_rng(1).exponential(size=(3, 4, 50))
    expected = values.var(axis=-1, ddof=1)
    np.testing.assert_allclose(sample_variance(values).value, expected, rtol=1e-12)


@pytest.mark.parametrize("distribution", ["normal", "exponential"])
def test_intervals_cover_the_true_variance(distribution):
    draw = getattr(np.random.default_rng(2), distribution)
    found = sample_variance(draw(size=(2000, 3000)))
    covered = (found.low < 1) & (found.high > 1)
    assert 0.93 < covered.mean() < 0.97  # ± 4 standard errors of 95 % of 2,000


def test_constant_values_have_no_spread():
    found = sample_variance(np.ones((2, 10)))
    assert (found.value == 0).all()
    assert (found.low == 0).all()
    assert (found.high == 0).all()


def test_too_few_values_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        sample_variance(np.ones(3))


@pytest.mark.parametrize("rho", [5, 9, 12.5, 60, 500])
def test_random_numbers_agree_with_the_formula(rho):
    """Eq. 2 against scaled inverse χ² samples, within four standard errors."""
    found = sampled_variance(rho, 400_000, np.random.default_rng(3))
    errors = np.log(variance(rho) / found.value) / (np.log(found.high / found.value) / 1.96)
    assert abs(errors) < 4


def test_an_infinite_variance_is_not_sampled():
    with pytest.raises(ValueError, match="more than 2"):
        sampled_variance(2, 100, np.random.default_rng(0))


def test_fig8():
    """Theorem 1: both fall with ρ, a hundredfold from 5 to 500."""
    record = fig8(Fig8(samples=1000))
    assert list(record["rho"]) == list(range(5, 501))
    for name in ("exact", "first_order"):
        curve = record[name]
        assert (np.diff(curve) < 0).all()
        assert curve[0] > 100 * curve[-1]
    relative = record["difference"] / record["exact"]
    assert relative[0] > 2  # at ρ = 5 the first order is more than three times the exact value
    assert (relative[record["rho"] >= 25] < 0.11).all()
    assert relative[-1] < 0.005

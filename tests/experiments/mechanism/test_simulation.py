"""Fig. 9: the simulation against its definition, the theory, and the paper's words."""

import tracemalloc

import numpy as np
import pytest
import scipy.stats

from experiments.analysis.claims.mechanism import c17
from experiments.mechanism.simulation import (
    Simulation,
    fig9,
    moving_average_variance,
    simulate,
    spaced,
)
from radam.rectification import rectification, rho


def by_definition(gradients, beta2):
    """Var[ψ_t] after the last of ``gradients`` [updates, trajectories]: all of them at once."""
    t = len(gradients)
    weights = beta2 ** np.arange(t - 1, -1, -1.0)
    psi = np.sqrt((1 - beta2**t) / ((1 - beta2) * (weights @ gradients**2)))
    return psi.var(ddof=1)


def test_against_the_definition():
    settings = Simulation(50, 40, means=(0.0, 2.0), beta2s=(0.9, 0.999), seed=7)
    noise = np.random.default_rng(7).standard_normal((40, 2, 50))
    curves = simulate(settings)
    assert [(c.beta2, c.mean) for c in curves] == [(0.9, 0), (0.9, 2), (0.999, 0), (0.999, 2)]
    for curve in curves:
        gradients = noise[:, settings.means.index(curve.mean)] + curve.mean
        expected = [by_definition(gradients[:t], curve.beta2) for t in range(1, 41)]
        np.testing.assert_allclose(curve.adaptive.value, expected, rtol=1e-9)


def test_rectified_by_r_squared():
    (curve,) = simulate(Simulation(50, 30, means=(0.0,), beta2s=(0.99,)))
    assert np.isnan(curve.rectified.value[:4]).all()
    expected = curve.adaptive.high[4:] * rectification(np.arange(5, 31), 0.99) ** 2
    np.testing.assert_allclose(curve.rectified.high[4:], expected)


def test_the_updates_that_are_looked_at_change_nothing():
    settings = Simulation(20, 100, means=(0.1,), beta2s=(0.99,))
    (every,), (some,) = simulate(settings), simulate(settings, at=[3, 50, 100])
    np.testing.assert_array_equal(some.adaptive.value, every.adaptive.value[[2, 49, 99]])
    (other,) = simulate(Simulation(20, 100, means=(0.1,), beta2s=(0.99,), seed=1), at=[100])
    assert other.adaptive.value != some.adaptive.value[-1]


@pytest.mark.parametrize("at", [[], [0, 1], [2, 1], [1, 1], [101]])
def test_updates_that_are_none_are_refused(at):
    with pytest.raises(ValueError, match="from 1 to 100"):
        simulate(Simulation(10, 100), at)


def test_memory_does_not_grow_with_the_updates():
    def peak(updates):
        tracemalloc.start()
        simulate(Simulation(2000, updates), at=[updates])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(20)
    assert peak(400) < peak(20) + 100_000  # one update's gradients of one mean are 16,000 bytes


def test_spaced_updates():
    at = spaced(6000)
    assert at[:50] == list(range(1, 51))
    assert at[-1] == 6000
    assert at == sorted(set(at))
    assert spaced(7) == list(range(1, 8))


def test_a_known_check():
    """2,000 trajectories, μ = 0, β2 = .999, updates 5, 50 and 6,000; other random numbers gave
    2.1e-1, 1.1e-2, 2.5e-4 and, rectified, 6.4e-5, 2.4e-4, 2.4e-4. At update 5 a sample's
    variance has a heavy tail."""
    settings = Simulation(2000, 6000, means=(0.0,), beta2s=(0.999,))
    (curve,) = simulate(settings, at=[5, 50, 6000])
    assert curve.adaptive.value == pytest.approx([2.1e-1, 1.1e-2, 2.5e-4], rel=0.3)
    assert curve.adaptive.value[1:] == pytest.approx([1.1e-2, 2.5e-4], rel=0.1)
    assert curve.rectified.value == pytest.approx([6.4e-5, 2.4e-4, 2.4e-4], rel=0.3)
    assert curve.rectified.value[1:] == pytest.approx([2.4e-4, 2.4e-4], rel=0.1)


def test_fig9_shows_what_the_paper_says():
    """For each μ: without r two decades or more above the end, with r flat from about 50."""
    record = fig9(Simulation(1000, 6000, beta2s=(0.999,)))
    flat = np.array(record["updates"]) >= 50
    adaptive, rectified = np.array(record["adaptive"]), np.array(record["rectified"])
    assert adaptive.shape == rectified.shape == (6, len(flat))
    assert (adaptive[:, 0] > 100 * adaptive[:, -1]).all()
    assert (rectified[:, flat].max(1) < 1.5 * rectified[:, flat].min(1)).all()
    assert (record["adaptive_low"] < adaptive).all()
    assert (record["adaptive_high"] > adaptive).all()
    found = c17(record)
    assert found.p == 0
    assert found.partly is not None  # not over the first rectified updates
    assert 5 < int(found.partly.split()[2]) < 50


@pytest.mark.parametrize("beta2", [0.99, 0.999])
def test_the_variance_that_eq_3_predicts(beta2):
    """Within 15 %: the approximation counts fewest gradients, by a tenth, near t = 1/(1−β2)."""
    at = [9, 20, 50, 100, 200, 500, 1000, 3000]
    (curve,) = simulate(Simulation(5000, 3000, means=(0.0,), beta2s=(beta2,)), at)
    ratio = curve.adaptive.value / moving_average_variance(curve.updates, beta2)
    assert (ratio > 0.85).all()
    assert (ratio < 1.05).all()


@pytest.mark.parametrize("t", [5, 20, 100, 1000])
def test_the_distribution_that_eq_3_predicts(t):
    """ψ² from the exponential average against Scale-inv-χ²(ρ_t, 1): the distribution functions
    differ by less than .03, and by more for ρ half as large again or two thirds as large."""
    beta2 = 0.99
    rng = np.random.default_rng(4)
    average = np.zeros(20_000)
    for _ in range(t):
        average += (1 - beta2) * (rng.standard_normal(average.shape) ** 2 - average)
    psi_squared = (1 - beta2**t) / average

    def distance(length):
        return scipy.stats.kstest(length / psi_squared, scipy.stats.chi2(length).cdf).statistic

    length = rho(t, beta2)
    assert distance(length) < 0.03
    assert min(distance(length / 1.5), distance(length * 1.5)) > distance(length)

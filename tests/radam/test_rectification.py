"""ρ, r_t and Var[ψ] against mpmath, the paper's numbers and each other."""

import math

import mpmath
import numpy as np
import pytest
import torch

from radam.rectification import rectification, rho, rho_inf, variance, variance_first_order

RHOS = [4.001, 4.5, 5, 7.3, 20, 49.999, 50, 50.001, 77, 500, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]


def exact_variance(value: float) -> float:
    with mpmath.workdps(50):
        x = mpmath.mpf(value) / 2
        ratio = mpmath.exp(2 * (mpmath.loggamma(x - mpmath.mpf(1) / 2) - mpmath.loggamma(x)))
        return float(x / (x - 1) - x * ratio)


def test_rho_at_the_papers_beta2():
    lengths = [rho(t, 0.999) for t in range(1, 7)]
    assert lengths == pytest.approx([1.000, 1.9995, 2.9987, 3.9975, 4.9960, 5.9942], abs=5e-5)
    assert rho_inf(0.999) == pytest.approx(1999)
    assert rho(10**6, 0.999) == pytest.approx(1999)


@pytest.mark.parametrize("beta2", [0.7, 0.9, 0.999, 0.9999])
@pytest.mark.parametrize("t", [1, 2, 3, 5, 6, 7, 100, 12345])
def test_rectification_against_mpmath(t, beta2):
    with mpmath.workdps(50):
        b = mpmath.mpf(beta2)
        limit = 2 / (1 - b) - 1
        length = limit - 2 * t * b**t / (1 - b**t)
        if length <= 4:
            assert math.isnan(rectification(t, beta2))
            return
        expected = mpmath.sqrt(
            (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
        )
    assert rho(t, beta2) == pytest.approx(float(length), rel=1e-7)
    assert rectification(t, beta2) == pytest.approx(float(expected), rel=1e-7)


def test_small_beta2_is_never_rectified():
    assert all(math.isnan(rectification(t, 0.6)) for t in range(1, 200))


def test_rectification_grows_to_one():
    values = [rectification(t, 0.999) for t in range(5, 20000)]
    assert values == sorted(values)
    assert 0 < values[0] < 0.02
    assert values[-1] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("length", RHOS)
def test_variance_against_mpmath(length):
    assert variance(length) == pytest.approx(exact_variance(length), rel=1e-10)
    assert variance(length, 4.0) == pytest.approx(exact_variance(length) / 4, rel=1e-10)


def test_variance_over_the_whole_range():
    grid = np.geomspace(4.001, 1e9, 400)
    expected = [exact_variance(value) for value in grid]
    np.testing.assert_allclose(variance(grid), expected, rtol=1e-10)
    np.testing.assert_allclose(variance(torch.tensor(grid)).numpy(), expected, rtol=1e-10)


def test_the_papers_words_on_the_variance():
    """Theorem 1 and §4.1: it falls with ρ, a hundredfold from 5 to 500, and Eq. 5 is close."""
    lengths = np.arange(5, 501)
    exact, first_order = variance(lengths), variance_first_order(lengths)
    assert (np.diff(exact) < 0).all()
    assert exact[0] > 100 * exact[-1]
    np.testing.assert_allclose(first_order[50:], exact[50:], rtol=0.05)
    assert variance_first_order(5) == pytest.approx(5 / 6)


@pytest.mark.parametrize("function", [variance, variance_first_order])
def test_every_kind_of_number_gives_the_same(function):
    lengths = [5, 60, 1e7]
    expected = [function(value) for value in lengths]
    assert all(isinstance(value, float) for value in expected)
    array = function(np.array(lengths, dtype=np.float32))
    tensor = function(torch.tensor(lengths, dtype=torch.float32))
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float64
    assert tensor.dtype == torch.float64
    np.testing.assert_allclose(array, expected, rtol=1e-12)
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-12)


def test_update_numbers_may_be_arrays():
    updates = np.arange(1, 50)
    scalars = [rectification(int(t), 0.99) for t in updates]
    np.testing.assert_allclose(rectification(updates, 0.99), scalars, rtol=1e-12)
    np.testing.assert_allclose(rectification(torch.tensor(updates), 0.99), scalars, rtol=1e-12)
    np.testing.assert_allclose(rho(updates, 0.99), [rho(int(t), 0.99) for t in updates])


def test_outside_their_domain():
    assert variance(2) == math.inf
    assert math.isnan(variance_first_order(4))
    assert torch.isnan(variance_first_order(torch.tensor([3.0]))).all()
    assert torch.isinf(variance(torch.tensor([1.0, 2.0]))).all()

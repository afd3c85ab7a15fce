"""The rectification beside warmups: effective lengths against closed forms."""

import math

import numpy as np
import pytest

from experiments.mechanism.warmups import (
    Comparison,
    effective_length,
    horizon,
    momentum_updates,
    rectifier,
    rectifier_vs_warmup,
    warmup,
)
from radam.rectification import rectification


@pytest.mark.parametrize("beta2", [0.8, 0.9, 0.98, 0.999, 0.9999])
def test_four_momentum_updates(beta2):
    assert momentum_updates(beta2) == 4


def test_small_beta2_never_rectifies():
    assert momentum_updates(0.6) == math.inf
    assert momentum_updates(0.3) == math.inf
    assert 4 < momentum_updates(0.61) < math.inf


def test_rectifier_is_r_after_the_momentum_updates():
    omega = rectifier(0.99)(np.arange(1.0, 101))
    assert (omega[:4] == 0).all()
    expected = [rectification(t, 0.99) for t in range(5, 101)]
    np.testing.assert_allclose(omega[4:], expected)


@pytest.mark.parametrize("beta2", [0.98, 0.999])
def test_effective_lengths_in_closed_form(beta2):
    """Σ (1 − t/T) = (T − 1)/2; a geometric series for the exponential."""
    end, tau = horizon(beta2), 1 / (1 - beta2)
    assert effective_length(warmup("linear", 500), end) == pytest.approx(249.5, rel=1e-6)
    linear = warmup("untuned_linear", beta2=beta2)
    assert effective_length(linear, end) == pytest.approx((2 * tau - 1) / 2, rel=1e-9)
    exponential = warmup("untuned_exponential", beta2=beta2)
    assert effective_length(exponential, end) == pytest.approx(1 / math.expm1(1 / tau), rel=1e-9)


@pytest.mark.parametrize("beta2", [0.98, 0.999])
def test_the_sums_are_complete(beta2):
    omega, end = rectifier(beta2), horizon(beta2)
    assert effective_length(omega, 2 * end) == pytest.approx(effective_length(omega, end), abs=1e-6)


def test_ma_and_yarats():
    """The untuned warmups are about as long as the rectification: within 12 %, 4 % at .999."""
    record = rectifier_vs_warmup(Comparison(beta2s=(0.98, 0.999), warmups=(100,)))
    for row, share in zip(record["by_beta2"], (0.12, 0.04), strict=True):
        lengths = row["effective_length"]
        for name in ("untuned_linear", "untuned_exponential"):
            assert lengths[name] == pytest.approx(lengths["rectifier"], rel=share)
        for weights in row["weights"].values():
            assert len(weights) == len(record["updates"])
            assert (np.diff(weights) >= -1e-12).all()


def test_an_unknown_warmup_is_refused():
    with pytest.raises(ValueError, match="unknown"):
        warmup("quadratic")(np.array([1.0]))

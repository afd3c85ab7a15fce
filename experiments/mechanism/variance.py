"""Fig. 8: Var[ψ] over ρ, exact and first-order, and what random numbers say."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.analysis.statistics import Floats
from experiments.mechanism.sampling import Variance, sample_variance
from radam.rectification import variance, variance_first_order


@dataclass(frozen=True)
class Fig8:
    """What Fig. 8 shows: ρ from ``first`` to ``last``, and the Monte Carlo check beside it."""

    first: int = 5
    last: int = 500
    checked: tuple[int, ...] = (5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500)
    """The ρ at which ψ is sampled."""
    samples: int = 200_000
    seed: int = 0


def sampled_variance(rho: float, samples: int, rng: np.random.Generator) -> Variance:
    """Var[ψ] (in units of 1/σ²) of ``samples`` draws ψ² ~ Scale-inv-χ²(ρ, 1) (§3.1).

    ψ² = ρ/x with x ~ χ²(ρ). Scalars in each field. Raises ValueError for ρ ≤ 2, where Var[ψ] is
    infinite and a sample's says nothing.
    """
    if rho <= 2:
        raise ValueError(f"rho is {rho}: the variance of psi is infinite; give more than 2")
    return sample_variance(np.sqrt(rho / rng.chisquare(rho, samples)))


def fig8(settings: Fig8) -> dict[str, Any]:
    """The curves of Fig. 8, in units of 1/σ² (τ² = 1).

    ``rho``; ``exact`` (Eq. 2); ``first_order`` (Eq. 5); ``difference``, first-order minus exact;
    ``sampled``: ``rho``, ``variance``, ``low``, ``high`` of the Monte Carlo check.
    """
    rho = np.arange(settings.first, settings.last + 1)
    exact: Floats = variance(rho)
    first_order: Floats = variance_first_order(rho)
    rng = np.random.default_rng(settings.seed)
    drawn = [sampled_variance(r, settings.samples, rng) for r in settings.checked]
    return {
        "rho": rho,
        "exact": exact,
        "first_order": first_order,
        "difference": first_order - exact,
        "sampled": {
            "rho": list(settings.checked),
            "variance": [float(d.value) for d in drawn],
            "low": [float(d.low) for d in drawn],
            "high": [float(d.high) for d in drawn],
        },
    }

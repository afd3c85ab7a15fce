"""The paper's claims, each with the rule that decides it from the store.

The statements and the paper's figures are data (``results/paper.yaml``); the rules are code here,
written before the runs; :func:`scorecard` brings both together.
"""

from experiments.analysis.claims.conditions import p_text
from experiments.analysis.claims.scorecard import NO_RUNS, Row, as_data, scorecard
from experiments.analysis.claims.summary import judged, missing_runs, opening, seeds_of_claims
from experiments.analysis.claims.verdict import Verdict

__all__ = [
    "NO_RUNS",
    "Row",
    "Verdict",
    "as_data",
    "judged",
    "missing_runs",
    "opening",
    "p_text",
    "scorecard",
    "seeds_of_claims",
]

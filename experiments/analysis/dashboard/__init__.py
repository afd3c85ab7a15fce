"""The page: one self-contained HTML file made from the store, or the same page served live."""

from experiments.analysis.dashboard.page import build, show

__all__ = ["build", "show"]

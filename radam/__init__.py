"""RAdam and its kin, exact and fast: drop-in optimizers for torch, and nothing but torch.

from radam import RAdam

optimizer = RAdam(model.parameters(), lr=1e-3)
"""

from radam import generic, rectification, schedules
from radam.optimizers import Adam, Adam2k, AdamEps, AdamW, AMSGrad, RAdam, RAdam4Step
from radam.zoo import ZOO, make_optimizer

__version__ = "0.1.0"

__all__ = [
    "ZOO",
    "AMSGrad",
    "Adam",
    "Adam2k",
    "AdamEps",
    "AdamW",
    "RAdam",
    "RAdam4Step",
    "generic",
    "make_optimizer",
    "rectification",
    "schedules",
]

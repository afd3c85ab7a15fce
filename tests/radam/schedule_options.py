"""Every option of every schedule, with values for a run of eight updates."""

from collections.abc import Mapping
from typing import Any

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "constant": {},
    "multi_step": {"milestones": [2, 5], "gamma": 0.5},
    "linear": {"total_updates": 9, "end_lr": 1e-3},
    "cosine": {"total_updates": 9, "end_lr": 1e-3},
    "inverse_sqrt": {},
}

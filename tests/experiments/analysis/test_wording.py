"""Which runs decide a claim of the paper, and what stands beside those that do not."""

import pytest

from experiments.analysis.wording import PROTOCOLS, banner, decides
from experiments.tasks.registry import TASKS


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dataset", ["real", "standin"])
def test_what_decides_has_no_warning_and_all_else_has_one(
    task: str, protocol: str, dataset: str
) -> None:
    of_the_paper = task != "template" and protocol in ("paper", "recipe")
    assert decides(task, protocol, dataset) == (of_the_paper and dataset == "real")
    assert decides(task, protocol, dataset) == (banner(task, protocol, dataset) is None)

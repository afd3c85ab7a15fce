"""A tiny run on the stand-in, for the tests of translation; its data are prepared once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve

SMALL = (
    "task=iwslt14_en_de",
    "protocol=smoke",
    "task.dataset=standin",
    "task.dropout=0",
    "task.train_examples=200",
    "runner.device=cpu",
)


@pytest.fixture(scope="session")
def fairseq() -> Any:
    """The real fairseq; tests that need it are skipped where it is not installed."""
    from radam.fairseq_plugin import compat

    try:
        return compat.import_fairseq()
    except compat.FairseqNotFound as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's prepared folders lie."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")  # a session's would reach the other folders' tests
def small_stand_in(prepared: Path) -> Iterator[None]:
    """Prepared folders of the session's own, of a stand-in with fewer pairs."""
    from experiments.tasks.translation import standin

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(prepared))
        patch.setattr(standin, "PAIRS", {"train": 400, "valid": 40, "test": 40})
        torch.set_num_threads(1)
        yield


def configuration(*words: str) -> RunConfig:
    return resolve(compose([*SMALL, *words]))

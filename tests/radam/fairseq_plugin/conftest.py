from typing import Any

import pytest


@pytest.fixture(scope="session")
def fairseq() -> Any:
    """The real fairseq, mended; tests that need it are skipped where it is not installed."""
    pytest.importorskip("hydra")
    from radam.fairseq_plugin import compat

    try:
        return compat.import_fairseq()
    except compat.FairseqNotFound as error:
        pytest.skip(str(error))

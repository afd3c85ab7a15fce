"""fairseq as a library: imported when translation needs it, and quiet."""

import logging
import warnings

from experiments.errors import UserError
from radam.fairseq_plugin.compat import FairseqNotFound, import_fairseq


def need_fairseq() -> None:
    """Import fairseq, mended; raises :class:`UserError` saying what to install."""
    try:
        import_fairseq()
    except FairseqNotFound as error:
        raise UserError(str(error)) from None
    logging.getLogger("fairseq").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # it is as meant

"""The experiments of the RAdam paper: one command each, from a laptop to a cluster."""

import sys
from types import TracebackType


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while Python still imports, for seconds: one line says that nothing has begun."""
    if issubclass(kind, KeyboardInterrupt):
        print("Stopped before it began.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if sys.excepthook is sys.__excepthook__:
    sys.excepthook = _end

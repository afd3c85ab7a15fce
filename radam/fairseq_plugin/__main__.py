"""``python -m radam.fairseq_plugin COMMAND ...``: fairseq's commands, with the zoo, on any Python.

COMMAND is one of fairseq's (preprocess, train, generate, interactive, validate, score), with its
own arguments; ``average OUTPUT CHECKPOINT ...`` writes the mean of checkpoints; ``path`` prints
what to give to fairseq's ``--user-dir``.
"""

import importlib
import sys
from contextlib import ExitStack
from pathlib import Path

FOR_GOOD = ExitStack()
"""Holds what lasts as long as the process."""

COMMANDS = ("preprocess", "train", "generate", "interactive", "validate", "score")


def main(arguments: list[str]) -> int:
    """Run a command; returns the exit code."""
    command, *rest = arguments or [""]
    if command == "path":
        print(Path(__file__).resolve().parent)
        return 0
    if command == "average" and len(rest) > 1:
        from radam.fairseq_plugin.average import average

        _ready()
        average(Path(rest[0]), [Path(word) for word in rest[1:]])
        return 0
    if command in COMMANDS:
        _ready()
        from radam.fairseq_plugin.compat import BadOption

        sys.argv = [f"fairseq-{command}", *rest]
        try:
            importlib.import_module(f"fairseq_cli.{command}").cli_main()
        except BadOption as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0
    asked_for_help = command in ("-h", "--help")
    print(__doc__, file=sys.stdout if asked_for_help else sys.stderr)
    return 0 if asked_for_help else 2


def _ready() -> None:
    """Import fairseq, mended, with the zoo in it and its Hydra in place of any other."""
    from radam.fairseq_plugin import compat

    try:
        compat.import_fairseq()
    except compat.FairseqNotFound as error:
        sys.exit(f"error: {error}")
    compat.trust_fairseqs_checkpoints()
    FOR_GOOD.enter_context(compat.fairseqs_hydra())
    import radam.fairseq_plugin.optimizers
    import radam.fairseq_plugin.schedules  # noqa: F401


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
if __name__ == "__mp_main__":  # a process that fairseq spawned, one for each GPU
    _ready()

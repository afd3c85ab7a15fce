"""Prepare One Billion Word for training: python -m scripts.prepare_lm1b

Looks under the data folder (--data-dir, else RADAM_DATA, else ./data) for the benchmark's folder,
its archive (unpacked beside it, 4.2 GB) or the hub's Parquet copy (--from-hub fetches it); writes
token shards there (3.2 GB). Ctrl-C, a crash or a full disk cost only
the shards under way: the same command goes on. To get the data:

  wget -P data https://www.statmt.org/lm-benchmark/1-billion-word-language-modeling-benchmark-r13output.tar.gz
  python -m scripts.prepare_lm1b --from-hub
"""

import argparse
import os
import sys
import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.errors import UserError
from experiments.files import portable
from experiments.tasks.lm1b.data import folder_of
from experiments.tasks.lm1b.prepare import STAGES, prepare
from experiments.tasks.lm1b.published import HUB, HUB_FOLDER, HUB_REVISION, find
from experiments.terminal.arguments import Parser, folder, positive
from experiments.terminal.console import console, exit_on_user_error, say


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    folder = folder_of(chosen.data_dir, "one_billion_word", chosen.least_count)
    if folder.exists():
        say(f"{folder}: prepared already")
        return 0
    if chosen.from_hub:
        fetch(chosen.data_dir)
    found = find(chosen.data_dir, unpacking=lambda name: say(f"unpacking {name}"))
    if found is None:
        absent = f"One Billion Word is not in {chosen.data_dir.absolute()}"
        if not chosen.if_present:
            raise UserError(f"{absent}; python -m scripts.prepare_lm1b --help says how to get it")
        say(f"{absent}: nothing to prepare")
        return 0
    started = time.monotonic()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        bars = {stage: progress.add_task(stage, total=len(found.raws)) for stage in STAGES}

        def report(stage: str, done: int, total: int) -> None:
            progress.update(bars[stage], completed=done)
            if not console.is_terminal:
                say(f"{stage} shards: {done} of {total}")

        corpus = prepare(
            folder,
            found.raws,
            text="one_billion_word",
            dataset="real",
            origin=f"One Billion Word from {portable(str(found.where), chosen.data_dir)}",
            least_count=chosen.least_count,
            jobs=chosen.jobs,
            report=report,
        )
    tokens = sum(corpus.size(split) for split in corpus.manifest.splits)
    seconds = time.monotonic() - started
    say(
        f"{folder}: {tokens:,} tokens, {corpus.manifest.words:,} words, "
        f"{tokens / seconds / 1e6:.1f} million tokens/s"
    )
    return 0


def fetch(data_dir: Path) -> None:
    """Download the hub's Parquet copy. Raises :class:`UserError` if that fails."""
    # Here and not above: only a download needs it.
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UserError("--from-hub: needs huggingface_hub; pip install huggingface_hub") from None
    place = data_dir / Path(HUB_FOLDER).parent
    try:
        snapshot_download(
            HUB,
            repo_type="dataset",
            revision=HUB_REVISION,
            allow_patterns=[f"{Path(HUB_FOLDER).name}/*/*.parquet"],
            local_dir=place,
        )
    except Exception as error:  # the hub's client raises many kinds
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--from-hub: {HUB} could not be fetched ({reason}); what has arrived is kept in "
            f"{place}: give the same command again"
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        "python -m scripts.prepare_lm1b",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data_dir = os.environ.get("RADAM_DATA", "data")
    parser.add_argument("--data-dir", type=folder, default=data_dir, help="default: %(default)s")
    parser.add_argument(
        "--least-count",
        type=positive,
        default=4,
        help="words that come less often are <UNK> (paper: 4; the benchmark's vocabulary: 3)",
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=len(os.sched_getaffinity(0)),
        help="processes, 0.5 GB of memory each (default: %(default)s)",
    )
    parser.add_argument("--from-hub", action="store_true", help=f"fetch {HUB} first (1.8 GB)")
    parser.add_argument("--if-present", action="store_true", help="no data is no error")
    return parser


if __name__ == "__main__":
    with exit_on_user_error():
        sys.exit(main())

"""Prepare a translation corpus ahead of training: text, BPE, dictionaries, binary files.

``python -m scripts.prepare_translation iwslt14`` finds it under RADAM_DATA (default ./data).
Training does the same by itself when it needs it; ahead of time it can be watched and stopped, and
goes on where it was. Prepared folders lie under XDG_CACHE_HOME (default ~/.cache) and serve
fairseq's own commands too.
"""

import os
from pathlib import Path

from experiments.errors import UserError
from experiments.tasks.translation import iwslt14, standin, wmt16
from experiments.tasks.translation.corpus import Source
from experiments.tasks.translation.data import prepare
from experiments.terminal.arguments import Parser, folder, positive
from experiments.terminal.console import exit_on_user_error, say

CORPORA = {"iwslt14": iwslt14, "wmt16": wmt16}


def main() -> None:
    """Prepare what the command line names, and say where it lies."""
    parser = Parser("python -m scripts.prepare_translation", description=__doc__)
    parser.add_argument("corpus", choices=[*CORPORA, "standin"])
    data_dir = os.environ.get("RADAM_DATA", "data")
    parser.add_argument("--data-dir", type=folder, default=data_dir, help="default: %(default)s")
    parser.add_argument("--merges", type=positive, help="BPE merges (default: the corpus' own)")
    parser.add_argument(
        "--download", action="store_true", help="wmt16: fetch it from the hub if it is missing"
    )
    asked = parser.parse_args()
    prepared = prepare(find(asked.corpus, asked.data_dir, asked.download), asked.merges, say)
    say(prepared.origin)
    for split, pairs in prepared.pairs.items():
        say(f"  {split:6} {pairs:>9,} pairs")
    say(str(prepared.folder))


def find(corpus: str, data: Path, download: bool) -> Source:
    """The corpus under ``data``, fetched if that is asked for; raises :class:`UserError`."""
    if corpus == "standin":
        return standin.source()
    source: Source | None = CORPORA[corpus].find(data)
    if source is None and corpus == "wmt16" and download:
        return wmt16.download(data / wmt16.FOLDER)
    if source is None:
        raise UserError(
            f"{corpus} is not in {data.absolute()} (looked for {CORPORA[corpus].LOOKED_FOR}); put "
            "it there, or name its folder with --data-dir or RADAM_DATA"
        )
    return source


if __name__ == "__main__":
    with exit_on_user_error():
        main()

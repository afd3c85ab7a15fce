"""Entry point: one run, or several one after the other with Hydra's ``-m``.

``python -m experiments.train optimizer=radam optimizer.lr=0.03 protocol=mini``
"""

import argparse
import sys
from collections.abc import Sequence

import hydra
from hydra._internal.utils import get_args_parser  # Hydra's own command line has no other name
from omegaconf import DictConfig

from experiments.config.compose import settle_dataset
from experiments.config.length import describe_setting, unreached
from experiments.config.schema import CONFIG_DIR
from experiments.config.validate import resolve
from experiments.config.words import check_words, read_word
from experiments.errors import UserError
from experiments.launch.dry_run import describe_needs
from experiments.launch.launcher import typed_launcher
from experiments.ranks import is_main
from experiments.terminal.console import exit_on_user_error, say
from experiments.terminal.progress import display
from experiments.tracking.names import STOP
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.wandb.mirror import mirrored
from experiments.training.distributed import on_every_rank, process_group
from experiments.training.run import run
from experiments.training.signals import stop_on_signals


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="train")
def main(composed: DictConfig) -> float | None:
    """Carry out one run; returns its final metric, for Hydra's sweepers."""
    with exit_on_user_error(), stop_on_signals() as stop:
        typed_launcher(composed)  # of no use to one run, but no word is taken unread
        config, why = on_every_rank(lambda: settle_dataset(resolve(composed)))
        say(f"data: {why}")
        say(f"{config.task.name}, {config.protocol.name} protocol: {describe_setting(config)}")
        for note in unreached(config):
            say(f"note: {note}")
        if composed.dry_run:
            for line in on_every_rank(lambda: describe_needs(config)):
                say(line)
            return None
        if "grid" in composed:
            say(f"note: one run; sweep run experiment={config.experiment} carries out its grid")
        known = is_main() and RunFolder(config.folder).finished_result is not None
        if is_main():
            (config.folder / STOP).unlink(missing_ok=True)
        with mirrored(config) as mirrors, display(1) as shown:
            result = run(config, stop, [lambda event: shown.event(config, event), *mirrors])
            shown.end(config, result)
        say(f"{config.folder}{' (finished before, not run again)' if known else ''}")
        if result.status == "interrupted" and stop:
            say("Stopped. The same command goes on from here.")
            sys.exit(stop.exit_code)
        if result.status == "interrupted":
            say(
                f"Stopped at update {result.updates}, as runner.stop_after asks. The same command "
                "without it goes on from here."
            )
        return result.final


def arguments(words: Sequence[str]) -> list[str]:
    """The command line as Hydra takes it. Raises :class:`UserError` for what it would not."""
    words = ["dry_run=true" if word == "--dry-run" else word for word in words]
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        options, others = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise UserError(f"{error}; see python -m experiments.train --help") from None
    settings = [*options.overrides, *(word for word in others if not word.startswith("-"))]
    for word in others:
        if word not in settings:
            name, _, value = word.lstrip("-").partition("=")
            raise UserError(
                f"{word}: no such option; settings have no dashes: section.{name}={value or '...'}"
            )
    checked = check_words(settings)
    for word in checked:
        if not options.multirun and not word.startswith("hydra"):
            setting = read_word(word)
            if setting.is_sweep_override():
                raise UserError(
                    f"{word}: several values; several runs with -m or experiments.sweep run, a "
                    f"list as {setting.key_or_group}=[...]"
                )
    return [*(word for word in words if word not in settings), *checked]


if __name__ == "__main__":
    with process_group(), exit_on_user_error():
        sys.argv[1:] = arguments(sys.argv[1:])
        main()

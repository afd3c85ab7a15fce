"""Entry point: one run, or several one after the other with Hydra's ``-m``.

``python -m experiments.train optimizer=radam optimizer.lr=0.03 protocol=mini``
"""

import sys

import hydra
from omegaconf import DictConfig

from experiments.config.compose import settle_dataset
from experiments.config.length import describe_setting, unreached
from experiments.config.schema import CONFIG_DIR
from experiments.config.validate import resolve
from experiments.launch.dry_run import describe_needs
from experiments.ranks import is_main
from experiments.terminal.console import exit_on_user_error, say
from experiments.terminal.progress import display
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.wandb.mirror import mirrored
from experiments.training.distributed import on_every_rank, process_group
from experiments.training.run import run
from experiments.training.signals import stop_on_signals


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="train")
def main(composed: DictConfig) -> float | None:
    """Carry out one run; returns its final metric, for Hydra's sweepers."""
    with exit_on_user_error(), stop_on_signals() as stop:
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


if __name__ == "__main__":
    # Hydra knows settings, not flags.
    sys.argv[1:] = ["dry_run=true" if word == "--dry-run" else word for word in sys.argv[1:]]
    with process_group(), exit_on_user_error():
        main()

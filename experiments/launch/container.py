"""A run's command inside a container, for each engine.

The image supplies Python and the packages; code, store and data are mounted where they lie on the
host, so that paths in a run's folder mean the same inside. Docker's daemon and podman's monitor
stand between a signal and the run, and under SLURM the signal gets lost there; whoever starts a
container therefore asks it to stop by the run's ``stop`` file.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from experiments.errors import UserError
from experiments.launch.launcher import ContainerSettings

PROGRAMS = {"docker": "docker", "podman": "podman", "apptainer": "apptainer"}
PROGRAMS["charliecloud"] = "ch-run"

PASSED_ON = (
    *("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "RADAM_DATA", "HF_TOKEN"),
    *("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"),
    *("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
)
"""Variables of the host that a run may need. Docker and podman pass on none by themselves."""


def check_engine(settings: ContainerSettings) -> None:
    """Raise :class:`UserError` if the engine's program is not on this machine."""
    program = PROGRAMS.get(settings.container or "")
    if program and shutil.which(program) is None:
        raise UserError(f"launcher.container={settings.container}: {program} is not installed here")


def wrap(
    settings: ContainerSettings,
    command: Sequence[str],
    *,
    code: Path,
    mounts: Sequence[Path],
    gpu: bool,
) -> list[str]:
    """``command``, carried out in a container with ``code`` as its working folder.

    ``mounts`` are folders of the host that appear at the same place, writable; ``gpu`` asks for
    the host's GPUs. Without a container, the command as it is; pyxis takes its part in srun's
    options instead (:func:`srun_options`).
    """
    options = settings.container_options
    image = str(settings.image)
    match settings.container:
        case "docker" | "podman" as engine:
            gpus = ["--gpus=all"] if engine == "docker" else ["--device=nvidia.com/gpu=all"]
            # The user of the host owns what the run writes; rootless podman needs to be told so.
            user = [f"--user={os.getuid()}:{os.getgid()}"]
            if engine == "podman" and os.getuid() != 0:
                user = ["--userns=keep-id"]
            return [
                *(engine, "run", "--rm", "--ipc=host", *user, "--env=HOME=/tmp"),
                *(f"--env={name}" for name in PASSED_ON),
                *(f"--volume={folder}:{folder}" for folder in mounts),
                *(f"--volume={code}:{code}:ro", f"--workdir={code}"),
                *(gpus if gpu else []),
                *(*options, image, *command),
            ]
        case "apptainer":
            return [
                *("apptainer", "exec", *(["--nv"] if gpu else [])),
                *(f"--bind={folder}:{folder}" for folder in mounts),
                *(f"--bind={code}:{code}:ro", f"--pwd={code}"),
                *(*options, image, *command),
            ]
        case "charliecloud":
            binds = [f"--bind={folder}:{folder}" for folder in (*mounts, code)]
            return ["ch-run", *binds, f"--cd={code}", *options, image, "--", *command]
        case _:
            return list(command)


def srun_options(settings: ContainerSettings, *, code: Path, mounts: Sequence[Path]) -> list[str]:
    """What srun is told of the container: something for pyxis, nothing for the others."""
    if settings.container != "pyxis":
        return []
    binds = ",".join([*(f"{folder}:{folder}" for folder in mounts), f"{code}:{code}:ro"])
    return [
        *(f"--container-image={settings.image}", f"--container-mounts={binds}"),
        *(f"--container-workdir={code}", *settings.container_options),
    ]

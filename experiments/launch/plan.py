"""What of a grid is done and what is left."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.config.compose import settle_dataset
from experiments.config.schema import RunConfig, WandbTracking
from experiments.errors import UserError
from experiments.launch.grid import cached, expand
from experiments.launch.launcher import Launcher, read_launcher
from experiments.launch.status import LEFT, Queue, read_queue, state
from experiments.launch.submission import run_key
from experiments.tasks.config import TaskConfig
from experiments.terminal.console import note
from experiments.tracking.result import RunState
from experiments.tracking.run_folder import DamagedData, RunFolder
from experiments.tracking.wandb.mirror import check_mode
from experiments.training.precision import choose_device


@dataclass(frozen=True)
class Plan:
    """The runs of a grid, what is done of them, and where the rest would go."""

    overrides: tuple[str, ...]
    configs: tuple[RunConfig, ...]
    keys: tuple[str, ...]
    """The runs' folders relative to the store."""
    queue: Queue
    states: tuple[RunState, ...]
    launcher: Launcher
    dataset: str
    why: str
    """Why this dataset, for the person."""

    @property
    def store(self) -> Path:
        """Where the runs' folders are."""
        return self.configs[0].runner.runs_dir

    @property
    def left(self) -> list[RunConfig]:
        """The runs that are to be carried out: not what is done, under way, or damaged, which would
        be written over."""
        states = zip(self.configs, self.states, strict=True)
        return [config for config, state in states if state in LEFT]

    def at_protocol(self, protocol: str) -> list[RunConfig]:
        """The runs of the same grid at another protocol, on the same dataset.

        Overrides that change the protocol's own values (a length, a size, milestones) are left out.
        """
        own = ("protocol", "schedule.", "task.")
        overrides = [o for o in self.overrides if not o.startswith(own)]
        return [_settle(c, self.dataset) for c in expand([*overrides, f"protocol={protocol}"])]

    @property
    def counts(self) -> str:
        """``40 completed, 2 diverged, 6 missing``."""
        return ", ".join(f"{n} {state}" for state, n in Counter(self.states).most_common())


def make_plan(overrides: Sequence[str], *, look: bool = True) -> Plan:
    """Compose the grid that the overrides name, settle its dataset, look into the store.

    ``protocol=auto`` means ``paper`` where there is a CUDA GPU and ``mini`` elsewhere. Without
    ``look`` neither the store nor a queue is asked. Raises :class:`UserError`.
    """
    ours = [o for o in overrides if o.partition("=")[0].startswith("launcher")]
    overrides = [o for o in overrides if o not in ours]
    if "protocol=auto" in overrides:
        devices = [o.partition("=")[2] for o in overrides if o.startswith("runner.device=")]
        on_gpu = choose_device(devices[-1] if devices else "auto").type == "cuda"
        protocol = "paper" if on_gpu else "mini"
        overrides = [f"protocol={protocol}" if o == "protocol=auto" else o for o in overrides]
    if any(o.startswith("dry_run=") for o in overrides):
        raise UserError("dry_run: is for one run, of experiments.train; plan shows a grid")
    launcher = read_launcher(ours)
    configs = cached(overrides)
    if isinstance(configs[0].tracking, WandbTracking):
        check_mode()
    task, why = settle_dataset(configs[0])
    for name in ("task", "protocol"):
        if len({getattr(config, name).name for config in configs}) > 1:
            raise UserError(f"{name}: one {name} a sweep; give the same command once for each")
    configs = [_settle(c, task.task.dataset) for c in configs]
    store = configs[0].runner.runs_dir
    keys = tuple(run_key(config) for config in configs)
    queue: Queue = {}
    states: tuple[RunState, ...] = ()
    if look:
        _check_data(configs)
        queue = read_queue(store)
        states = tuple(state(RunFolder(store / key), queue) for key in keys)
    dataset = task.task.dataset
    return Plan(tuple(overrides), tuple(configs), keys, queue, states, launcher, dataset, why)


def _check_data(configs: Sequence[RunConfig]) -> None:
    """Refuse a grid with runs in the store that read other data. Raises :class:`UserError`."""
    digests: dict[TaskConfig, str | None] = {}
    for config in configs:
        folder = RunFolder(config.folder)
        try:
            if folder.data is None:
                continue
        except DamagedData as damage:  # the run itself is refused; the others go on
            note(str(damage))
            continue
        if config.task not in digests:
            digests[config.task] = config.task.digest(config.runner.data_dir)
        digest = digests[config.task]
        if digest is not None:
            folder.check_data(digest, f"in {config.runner.data_dir}")


def _settle(config: RunConfig, dataset: str) -> RunConfig:
    """The same run on the dataset that was decided on, wherever it will be carried out."""
    task = config.task.model_copy(update={"dataset": dataset})
    runner = config.runner.model_copy(
        update={
            "runs_dir": config.runner.runs_dir.absolute(),
            "data_dir": config.runner.data_dir.expanduser().absolute(),
        }
    )
    return config.model_copy(update={"task": task, "runner": runner})

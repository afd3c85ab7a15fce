"""How many updates a run has, and α_t over them."""

from experiments.config.schema import Linear, MultiStep, ProtocolConfig, RunConfig, task_class
from radam.schedules import Schedule, make_schedule


def total_updates(config: RunConfig, updates_per_epoch: int) -> int:
    """The updates of a run whose epoch has ``updates_per_epoch``."""
    if config.protocol.updates is not None:
        return config.protocol.updates
    assert config.protocol.epochs is not None
    return config.protocol.epochs * updates_per_epoch


def updates_an_epoch(batches: int, accumulate: int) -> int:
    """The updates that an epoch's batches make, ``accumulate`` of them each.

    Raises ValueError where they do not make one: such a run would never get on.
    """
    if batches < accumulate:
        raise ValueError(
            f"training.accumulate={accumulate}: an epoch has only {batches} batches; write at most "
            f"{batches}"
        )
    return batches // accumulate


def describe_setting(config: RunConfig) -> str:
    """Model, data and length of a run in a few words; stands beside its results."""
    what = task_class(config.task.name).describe(config.task)
    return f"{what}, {describe_length(config.protocol)} of batch {config.protocol.batch_size}"


def describe_length(protocol: ProtocolConfig) -> str:
    """``186 epochs`` or ``70000 updates``."""
    return f"{protocol.epochs} epochs" if protocol.epochs else f"{protocol.updates} updates"


def build_schedule(config: RunConfig, updates_per_epoch: int) -> Schedule:
    """α_t of a run, with epochs turned into updates."""
    schedule, options = config.schedule, {}
    if isinstance(schedule, MultiStep):
        scale = updates_per_epoch if schedule.unit == "epochs" else 1
        options = {
            "milestones": tuple(m * scale for m in schedule.milestones),
            "gamma": schedule.gamma,
        }
    elif isinstance(schedule, Linear):
        options = {
            "total_updates": total_updates(config, updates_per_epoch),
            "end_lr": schedule.end_lr,
        }
    return make_schedule(
        schedule.name,
        config.optimizer.lr,
        warmup=schedule.warmup.kind,
        warmup_updates=schedule.warmup.updates,
        beta2=config.optimizer.beta2,
        **options,
    )


def check_schedule(config: RunConfig, updates_per_epoch: int | None = None) -> None:
    """Refuse a schedule that is longer than the run, and an update longer than an epoch.

    Called on the configuration alone, and again once the data have told ``updates_per_epoch``.
    Raises ValueError.
    """
    protocol, schedule, warmup = config.protocol, config.schedule, config.schedule.warmup
    if updates_per_epoch is None:
        task = task_class(config.task.name)
        updates_per_epoch = task.batches_per_epoch(config.task, protocol)
        if updates_per_epoch is not None:
            updates_per_epoch = updates_an_epoch(updates_per_epoch, config.training.accumulate)
    if isinstance(schedule, MultiStep) and schedule.milestones:
        length = protocol.epochs if schedule.unit == "epochs" else protocol.updates
        if length is None and updates_per_epoch is not None:
            updates = total_updates(config, updates_per_epoch)
            length = updates if schedule.unit == "updates" else updates / updates_per_epoch
        if length is not None and schedule.milestones[-1] >= length:
            raise ValueError(
                f"schedule.milestones={list(schedule.milestones)}: longer than the run of "
                f"{length:g} {schedule.unit}; write milestones below it, or lengthen "
                f"protocol.{schedule.unit}"
            )
    if updates_per_epoch is None and protocol.updates is None:
        return
    updates = total_updates(config, updates_per_epoch or 1)
    if warmup.kind == "linear" and warmup.updates > updates:
        raise ValueError(
            f"schedule.warmup.updates={warmup.updates}: longer than the run of {updates} updates; "
            f"write at most {updates}"
        )
    freeze = config.optimizer.options.get("freeze_updates", 0)
    if freeze >= updates:
        raise ValueError(
            f"optimizer.freeze_updates={freeze}: the run has {updates} updates, so nothing would "
            f"be trained; write at most {updates - 1}"
        )

"""How long a run is, and α_t over it."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.config.schema import RunConfig
from experiments.tasks.config import ProtocolConfig
from radam.schedules import DECAYS, Schedule, make_schedule


@dataclass(frozen=True)
class Length:
    """The length of a run, which only the data may tell; made once, by :func:`length`."""

    batches_per_epoch: int
    updates_per_epoch: int
    """``training.accumulate`` batches each; what is left of an epoch is left out."""
    updates: int
    """In all."""


def length(config: RunConfig, batches_per_epoch: int) -> Length:
    """The length of a run whose data make ``batches_per_epoch``.

    Raises ValueError where these do not make one update: such a run would never get on.
    """
    accumulate = config.training.accumulate
    if batches_per_epoch < accumulate:
        raise ValueError(
            f"training.accumulate={accumulate}: an epoch has only {batches_per_epoch} batches; "
            f"write at most {batches_per_epoch}"
        )
    updates_per_epoch = batches_per_epoch // accumulate
    epochs, updates = config.protocol.epochs, config.protocol.updates
    ends = [epochs * updates_per_epoch if epochs else None, updates]
    return Length(batches_per_epoch, updates_per_epoch, min(end for end in ends if end is not None))


def known_length(config: RunConfig) -> Length | None:
    """:func:`length` where the configuration alone tells it, without the data."""
    batches = config.task.batches_per_epoch(config.protocol)
    return None if batches is None else length(config, batches)


def describe_setting(config: RunConfig) -> str:
    """Model, data and length of a run in a few words; stands beside its results."""
    length = describe_length(config.protocol)
    return f"{config.task.describe()}, {length} of batch {config.protocol.batch_size}"


def describe_length(protocol: ProtocolConfig) -> str:
    """``186 epochs``, ``70000 updates``, or both where either may end the run."""
    ends = {"epochs": protocol.epochs, "updates": protocol.updates}
    words = [f"{number} {unit}" for unit, number in ends.items() if number is not None]
    return " or ".join(words)


def build_schedule(config: RunConfig, length: Length) -> Schedule:
    """α_t of a run, with epochs turned into updates."""
    schedule = config.schedule
    options = schedule.in_updates(length.updates_per_epoch)
    if DECAYS[schedule.name].ends_with_the_run():
        options["total_updates"] = length.updates
    return make_schedule(
        schedule.name,
        config.optimizer.lr,
        warmup=schedule.warmup.kind,
        warmup_updates=schedule.warmup.updates,
        beta2=config.optimizer.beta2,
        **options,
    )


def check_length(config: RunConfig, length: Length | None) -> None:
    """Refuse milestones, warmup and freeze that are longer than the run, all in one message.

    Called on the configuration alone, and again once the data have told the length. Raises
    ValueError.
    """
    wrong = [*_late_milestones(config, length), *_no_time_to_train(config, length)]
    if wrong:
        raise ValueError("; ".join(wrong))


def unreached(config: RunConfig) -> list[str]:
    """What of the protocol's own milestones lies beyond a shorter run, and so does nothing."""
    presets, options = config.protocol.presets, config.schedule.options
    return [
        f"schedule.{name}: {', '.join(map(str, late))} of protocol={config.protocol.name} lies "
        f"beyond the run of {end:g} {unit} and does nothing"
        for name, late, end, unit in _beyond_the_end(config, known_length(config))
        if options[name] == getattr(presets, name, None)
    ]


def _late_milestones(config: RunConfig, length: Length | None) -> list[str]:
    """Milestones that a person wrote; for the protocol's own see :func:`unreached`."""
    presets, options = config.protocol.presets, config.schedule.model_dump(mode="json")
    return [
        f"schedule.{name}={options[name]}: longer than the run of {end:g} {unit}; write {name} "
        f"below it, or lengthen protocol.{unit}"
        for name, _, end, unit in _beyond_the_end(config, length)
        if config.schedule.options[name] != getattr(presets, name, None)
    ]


def _beyond_the_end(
    config: RunConfig, length: Length | None
) -> Iterator[tuple[str, list[int], float, str]]:
    """The schedule's options that count beyond the run: name, which numbers, end and its unit."""
    schedule, protocol = config.schedule, config.protocol
    unit = getattr(schedule, "unit", "updates")
    end: float | None = protocol.epochs if unit == "epochs" else protocol.updates
    if length is not None:
        end = length.updates / (length.updates_per_epoch if unit == "epochs" else 1)
    for name in schedule.counted:
        value = schedule.options[name]
        numbers = value if isinstance(value, tuple) else (value,)
        late = [number for number in numbers if end is not None and number >= end]
        if late and end is not None:
            yield name, late, end, unit


def _no_time_to_train(config: RunConfig, length: Length | None) -> list[str]:
    updates = length.updates if length is not None else config.protocol.updates
    if updates is None:
        return []
    wrong, warmup = [], config.schedule.warmup
    if warmup.kind == "linear" and warmup.updates > updates:
        wrong.append(
            f"schedule.warmup.updates={warmup.updates}: longer than the run of {updates} updates; "
            f"write at most {updates}"
        )
    elif warmup.updates == updates and DECAYS[config.schedule.name].ends_with_the_run():
        wrong.append(
            f"schedule.warmup.updates={updates}: leaves no update to schedule="
            f"{config.schedule.name}; write at most {updates - 1}"
        )
    freeze = config.optimizer.options.get("freeze_updates", 0)
    if freeze >= updates:
        wrong.append(
            f"optimizer.freeze_updates={freeze}: the run has {updates} updates, so nothing would "
            f"be trained; write at most {updates - 1}"
        )
    return wrong

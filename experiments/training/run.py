"""One run from its configuration to its result."""

import math
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal

import torch

import radam
from experiments.config.length import (
    Length,
    build_schedule,
    check_length,
    describe_setting,
    length,
)
from experiments.config.schema import SCHEMA_VERSION, RunConfig
from experiments.errors import UserError
from experiments.files import forget_temporary
from experiments.ranks import is_main, place
from experiments.tasks import registry
from experiments.tasks.task import Task
from experiments.tracking import provenance
from experiments.tracking.names import RESULT, STOP
from experiments.tracking.result import RunResult, now
from experiments.tracking.run_folder import Busy, Gone, RunFolder
from experiments.training.averaging import forget_epochs
from experiments.training.batch_norm import synchronise_batch_norm
from experiments.training.checkpoint import forget_earlier, seed_apart, seed_everything
from experiments.training.cuda_graphs import is_captured
from experiments.training.distributed import broadcast, on_every_rank
from experiments.training.loop import Loop, Observer
from experiments.training.precision import choose_device, set_precision
from experiments.training.signals import StopRequest
from experiments.training.step import Step
from radam.schedules import Schedule

AT_CHANCE = 1.2
"""A run ends at chance if its metric is not better than chance by this factor."""


def build_task(config: RunConfig, device: torch.device) -> Task[Any]:
    """The task with its data loaded. Raises :class:`UserError` for missing or damaged data."""
    task = registry.load(
        config.task,
        config.protocol,
        data_dir=config.runner.data_dir,
        device=device,
        seed=config.seed,
    )
    task.workers = config.runner.workers
    return task


def build_step(config: RunConfig, device: torch.device) -> tuple[Task[Any], Step]:
    """Task, fresh model and optimizer of a run, ready for its first update.

    Raises :class:`UserError` for data or a precision or capture that cannot be had.
    """
    capture = is_captured(config, device)
    autocast = set_precision(config.training.precision, device)
    task = build_task(config, device)
    seed_everything(config.seed)
    model = synchronise_batch_norm(task.build_model().train())
    name, options = config.optimizer.name, config.optimizer.options
    if capture is not None:
        options |= radam.ZOO[name].captured(options) or {}
    lr = config.optimizer.lr
    optimizer = radam.make_optimizer(name, model.parameters(), lr=lr, **options)
    seed_apart(config.seed)
    grad_clip = config.training.grad_clip
    return task, Step(task, model, optimizer, autocast, grad_clip, capture=capture)


def prepare(config: RunConfig) -> tuple[Task[Any], Step, Schedule, Length]:
    """All that a run needs, checked. Raises :class:`UserError`."""
    device = choose_device(config.runner.device)
    if config.runner.threads is not None:
        torch.set_num_threads(config.runner.threads)
    task, step = build_step(config, device)
    try:
        whole = length(config, task.batches_per_epoch)
        check_length(config, whole)
    except ValueError as error:
        raise UserError(str(error)) from None
    return task, step, build_schedule(config, whole), whole


def run(config: RunConfig, stop: StopRequest, observers: list[Observer]) -> RunResult:
    """Carry out a run, or go on with it; a finished one is returned as it is.

    Bad input raises :class:`UserError` before anything is created. From then on, whatever happens
    ends as a ``result.json``: a run that diverges is a result, and an error is written down as
    ``failed`` before it goes on. A second process on the same run is refused
    (:class:`~experiments.tracking.run_folder.Busy`). A file ``stop`` in its folder stops it too;
    whoever starts a run removes an old one before.
    """
    folder = RunFolder(config.folder)
    stop.file = folder.path / STOP
    if (finished := broadcast(folder.finished_result)) is not None:
        on_every_rank(lambda: _check_data_of_finished(config, folder))
        if is_main():
            _tidy_up(folder)
        return finished
    task, step, schedule, whole = on_every_rank(lambda: prepare(config))
    on_every_rank(lambda: folder.check_data(task.digest, task.origin))
    with ExitStack() as held:
        on_every_rank(lambda: held.enter_context(folder.locked()) if is_main() else None)
        if (finished := broadcast(folder.finished_result)) is not None:
            return finished
        before = broadcast(folder.result)
        started = before.started if before is not None else now()
        if is_main():
            forget_temporary(folder.path)
            folder.write_config(config)
            folder.write_data(task.digest, task.origin)
            (folder.path / RESULT).unlink(missing_ok=True)
        loop: Loop | None = None
        try:
            loop = Loop(config, task, step, schedule, whole, folder.path, stop, observers)
            ending = loop.run()
        except Exception as error:
            if is_main() and not folder.is_ours:
                raise _gone(folder) from error
            _write(_result(config, "failed", started, loop, _describe(error)), folder)
            raise
        if is_main() and not folder.is_ours:
            raise _gone(folder)
        result = _result(config, ending, started, loop, None)
        _write(result, folder)
        if is_main() and folder.finished_result is not None:
            _forget_the_way(folder.path)
        return result


def _check_data_of_finished(config: RunConfig, folder: RunFolder) -> None:
    """Refuse to hand out a result of other data than are here. Raises :class:`UserError`."""
    if folder.data is None:
        return
    digest = config.task.digest(config.runner.data_dir)
    if digest is None:
        digest = build_task(config, choose_device(config.runner.device)).digest
    folder.check_data(digest, f"in {config.runner.data_dir}")


def _gone(folder: RunFolder) -> Gone:
    return Gone(
        f"{folder.path}: removed or moved while its run went on, which has ended; where it is now, "
        "or from its beginning, the run goes on with the same command"
    )


def _write(result: RunResult, folder: RunFolder) -> None:
    if is_main():
        result.write(folder.path)


def _forget_the_way(folder: Path) -> None:
    """Remove what a run kept in order to go on, but for its last checkpoint: it is complete."""
    forget_temporary(folder)
    forget_earlier(folder)
    forget_epochs(folder)


def _tidy_up(folder: RunFolder) -> None:
    """The same for a finished run that was killed before it came to that."""
    with suppress(OSError, Busy), folder.locked():  # a store that is only read stays as it is
        _forget_the_way(folder.path)


def record_failure(config: RunConfig, error: Exception) -> None:
    """Write down that a run of a sweep could not begin; its folder exists already."""
    if RunFolder(config.folder).finished_result is not None:
        return
    _result(config, "failed", now(), None, _describe(error)).write(config.folder)


def _describe(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    return "".join(traceback.format_exception(error)).strip()


def _result(
    config: RunConfig,
    status: Literal["completed", "diverged", "failed", "interrupted"],
    started: str,
    loop: Loop | None,
    error: str | None,
) -> RunResult:
    dataset = config.task.dataset
    assert dataset != "auto", "which data a run reads is settled before it starts"
    metric = loop.task.metric if loop else config.task.metric
    progress = loop.progress if loop else None
    final = progress.final if progress and status == "completed" else None
    seconds = progress.training_seconds if progress else 0.0
    commit, dirty = provenance.commit()
    device = loop.device if loop else torch.device("cpu")
    trouble = loop.step.trouble if loop else None
    return RunResult(
        schema_version=SCHEMA_VERSION,
        run_id=config.run_id,
        task=config.task.name,
        protocol=config.protocol.name,
        dataset=dataset,
        setting=describe_setting(config),
        optimizer=config.optimizer.name,
        lr=config.optimizer.lr,
        seed=config.seed,
        experiment=config.experiment,
        status=status,
        at_chance=final is not None and _at_chance(final, metric.chance, metric.direction),
        metric=metric.name,
        direction=metric.direction,
        chance=metric.chance,
        final=final,
        best=progress.best if progress else None,
        best_epoch=progress.best_epoch if progress else None,
        validation_selected=progress.validation_selected if progress else None,
        train_loss=progress.train_loss if progress else None,
        updates=progress.update if progress else 0,
        epochs=round(progress.update / loop.updates_per_epoch, 4) if progress and loop else 0.0,
        parameters=sum(p.numel() for p in loop.model.parameters()) if loop else 0,
        wall_seconds=round(progress.seconds, 3) if progress else 0.0,
        examples_per_second=round(progress.examples / seconds, 1) if progress and seconds else None,
        started=started,
        finished=now(),
        commit=commit,
        dirty=dirty,
        hardware={
            **provenance.hardware(device),
            "processes": place().world_size,
            "captured": loop is not None and loop.step.captured,
            **({"not_captured": trouble} if trouble else {}),
        },
        versions=provenance.versions(),
        origin=loop.task.origin if loop else "",
        data=loop.task.digest if loop else None,
        skipped=loop.task.skipped if loop else 0,
        damage="; ".join(progress.damage) if progress else "",
        error=error,
        config=config.model_dump(mode="json"),
    )


def _at_chance(final: float, chance: float | None, direction: str) -> bool:
    if chance is None or not math.isfinite(final):
        return False
    return final <= chance * AT_CHANCE if direction == "max" else final >= chance / AT_CHANCE

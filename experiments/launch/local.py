"""The local launcher: runs side by side, each in a process of its own.

Processes come from a fork server that has torch imported already, so that a run starts in
milliseconds, and a run that is killed takes no other with it. With containers, that process
watches over the run's container instead of carrying the run out.
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from experiments.config.schema import RunConfig
from experiments.launch.container import wrap
from experiments.launch.launcher import LocalLauncher
from experiments.launch.worker import carry_out, watch_over
from experiments.processes import context
from experiments.terminal.console import say
from experiments.terminal.progress import Display
from experiments.tracking.names import STOP
from experiments.tracking.provenance import ROOT
from experiments.tracking.result import DamagedResult, RunResult
from experiments.tracking.run_folder import RunFolder
from experiments.training.precision import choose_device
from experiments.training.signals import StopRequest

# Here, because the server imports at its own start alone: with the first process, of an estimate.
# torch imports _dynamo with the first optimizer: two seconds a run.
context.set_forkserver_preload(["experiments.launch.worker", "torch._dynamo"])

CUDA_CONTEXT = 600 * 2**20
"""What a process takes of a GPU's memory besides its tensors."""

SHARE_OF_GPU = 0.9
"""The part of a GPU's free memory that runs may fill together."""


def choose_slots(
    launcher: LocalLauncher, device: str, runs: int, gpu_memory: int | None = None
) -> list[str]:
    """The devices that runs are put on, one entry a run at a time; never more than runs.

    On a CPU as many as asked for, else one a core. On GPUs the runs go round all of them unless
    ``device`` names one; as many as asked for, else as many as memory allows if a run takes
    ``gpu_memory`` bytes of tensors, at most one a core.
    """
    cores = len(os.sched_getaffinity(0))
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return [device] * max(1, min(launcher.jobs or cores, runs))
    named = chosen.index is not None and device != "auto"
    indices = [chosen.index] if named else list(range(torch.cuda.device_count()))
    jobs = launcher.jobs
    if jobs is None:
        each = 1
        if gpu_memory is not None:
            free = min(torch.cuda.mem_get_info(i)[0] for i in indices)
            each = int(free * SHARE_OF_GPU / (gpu_memory + CUDA_CONTEXT))
        jobs = max(1, min(each, cores // len(indices))) * len(indices)
    return [f"cuda:{indices[i % len(indices)]}" for i in range(max(1, min(jobs, runs)))]


def on_slot(config: RunConfig, device: str, jobs: int) -> RunConfig:
    """The run on its device, with its share of the CPU threads while ``jobs`` go on, unless it
    names its own."""
    threads = config.runner.threads or max(1, len(os.sched_getaffinity(0)) // jobs)
    runner = config.runner.model_copy(update={"device": device, "threads": threads})
    return config.model_copy(update={"runner": runner})


@dataclass
class Worker:
    """A run under way."""

    config: RunConfig
    process: BaseProcess
    reports: Connection


def run_local(
    configs: Sequence[RunConfig],
    slots: Sequence[str],
    launcher: LocalLauncher,
    display: Display,
    stop: StopRequest,
) -> None:
    """Carry out the runs, one a slot at a time; what became of each is in its folder.

    A request to stop lets every run write a checkpoint and ends; no new ones are started.
    """
    waiting, running, free, told = list(configs), list[Worker](), list(slots), False
    try:
        while running or (waiting and not stop):
            while waiting and free and not stop:
                config = on_slot(waiting.pop(0), free[0], len(slots))
                try:
                    running.append(_start(config, launcher))
                except OSError as error:  # of its folder: the others have theirs
                    say(f"{config.label}: cannot begin: {error}")
                else:
                    free.pop(0)
            if stop and not told:
                for worker in running:  # Ctrl-C reached them already; a signal to us did not
                    worker.process.terminate()
                told = True
            for ready in wait([w.reports for w in running], timeout=0.5):
                worker = next(w for w in running if w.reports is ready)
                try:
                    event = worker.reports.recv()
                except (EOFError, OSError):  # the latter if it was killed in the middle of a word
                    worker.process.join()
                    worker.reports.close()
                    running.remove(worker)
                    free.append(worker.config.runner.device)
                    display.end(worker.config, _result(worker.config))
                else:
                    display.event(worker.config, event)
    finally:
        for worker in running:
            if worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGKILL)


def _result(config: RunConfig) -> RunResult | None:
    try:
        return RunFolder(config.folder).result
    except DamagedResult as damage:
        say(f"{config.label}: {damage}")
        return None


def _start(config: RunConfig, launcher: LocalLauncher) -> Worker:
    folder = RunFolder(config.folder)
    folder.write_config(config)
    (folder.path / STOP).unlink(missing_ok=True)
    receiver, sender = context.Pipe(duplex=False)
    if launcher.container is None:
        process = context.Process(target=carry_out, args=(folder.path, sender))
    else:
        command = contained(config, folder.path, launcher)
        process = context.Process(target=watch_over, args=(folder.path, sender, command))
    process.start()
    sender.close()
    return Worker(config, process, receiver)


def contained(config: RunConfig, folder: Path, launcher: LocalLauncher) -> list[str]:
    """The command that carries out the run in ``folder`` in a container."""
    return wrap(
        launcher,
        ["python", "-m", "experiments.launch.worker", str(folder)],
        code=ROOT,
        mounts=[config.runner.runs_dir, config.runner.data_dir],
        gpu=choose_device(config.runner.device).type == "cuda",
    )

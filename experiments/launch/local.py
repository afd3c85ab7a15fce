"""The local launcher: runs side by side, each in a process of its own.

Processes come from a fork server that has torch imported already, so that a run starts in
milliseconds, and a run that is killed takes no other with it.
"""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from experiments.config import RunConfig
from experiments.launch.worker import carry_out
from experiments.progress import Display
from experiments.tracking.run_folder import RunFolder
from experiments.training.precision import choose_device
from experiments.training.signals import StopRequest

context = multiprocessing.get_context("forkserver")


def choose_jobs(jobs: int | None, device: str, runs: int) -> int:
    """Runs at a time: as asked, else one a core on a CPU and one on a GPU; never more than runs."""
    if jobs is None:
        jobs = 1 if choose_device(device).type == "cuda" else len(os.sched_getaffinity(0))
    return max(1, min(jobs, runs))


def with_threads(config: RunConfig, jobs: int) -> RunConfig:
    """The run with its share of the CPU threads while ``jobs`` go on, unless it names its own."""
    threads = config.runner.threads or max(1, len(os.sched_getaffinity(0)) // jobs)
    runner = config.runner.model_copy(update={"threads": threads})
    return config.model_copy(update={"runner": runner})


@dataclass
class Worker:
    """A run under way."""

    config: RunConfig
    process: BaseProcess
    reports: Connection


def run_local(configs: Sequence[RunConfig], jobs: int, display: Display, stop: StopRequest) -> None:
    """Carry out the runs, ``jobs`` at a time; what became of each is in its folder.

    A request to stop lets every run write a checkpoint and ends; no new ones are started.
    """
    tasks = {f"experiments.tasks.{config.task.name}" for config in configs}
    context.set_forkserver_preload(["__main__", "experiments.launch.worker", *sorted(tasks)])
    waiting, running, told = list(configs), list[Worker](), False
    try:
        while running or (waiting and not stop):
            while waiting and len(running) < jobs and not stop:
                running.append(_start(waiting.pop(0)))
            if stop and not told:
                for worker in running:  # Ctrl-C reached them already; a signal to us did not
                    worker.process.terminate()
                told = True
            for ready in wait([w.reports for w in running], timeout=0.5):
                worker = next(w for w in running if w.reports is ready)
                try:
                    display.event(worker.config, worker.reports.recv())
                except EOFError:
                    worker.process.join()
                    worker.reports.close()
                    running.remove(worker)
                    display.end(worker.config, RunFolder(worker.config.folder).result)
    finally:
        for worker in running:
            if worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGKILL)


def _start(config: RunConfig) -> Worker:
    folder = RunFolder(config.folder)
    folder.write_config(config)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=carry_out, args=(folder.path, sender))
    process.start()
    sender.close()
    return Worker(config, process, receiver)

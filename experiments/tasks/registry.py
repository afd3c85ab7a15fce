"""The tasks there are: each a folder beside this file.

Its ``config.py`` has a :class:`~experiments.tasks.config.TaskConfig` for every task of it, its
``task.py`` the :class:`~experiments.tasks.task.Task` that they configure, as ``TASK``.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch

import experiments.tasks
from experiments.tasks.config import ProtocolConfig, TaskConfig
from experiments.tasks.task import Task


def _find() -> Mapping[str, type[TaskConfig]]:
    found: dict[str, type[TaskConfig]] = {}
    for folder in pkgutil.iter_modules(experiments.tasks.__path__):
        package = f"{experiments.tasks.__name__}.{folder.name}"
        if folder.ispkg and importlib.util.find_spec(f"{package}.config") is not None:
            module = importlib.import_module(f"{package}.config")
            for config in vars(module).values():
                if isinstance(config, type) and issubclass(config, TaskConfig):
                    for name in get_args(config.model_fields["name"].annotation):  # of a Literal
                        found[name] = config
    return dict(sorted(found.items()))


TASKS: Mapping[str, type[TaskConfig]] = _find()
"""The configuration class of each task, by name."""


def task_title(name: str) -> str:
    """``CIFAR-10`` for ``cifar10``; a task that this checkout does not have by its name."""
    return TASKS[name].title if name in TASKS else name


def load(
    config: TaskConfig, protocol: ProtocolConfig, *, data_dir: Path, device: torch.device, seed: int
) -> Task[Any]:
    """A task with its data. Raises :class:`~experiments.errors.UserError` for bad data."""
    folder = type(config).__module__.rpartition(".")[0]
    task: type[Task[Any]] = importlib.import_module(f"{folder}.task").TASK
    return task(config, protocol, data_dir=data_dir, device=device, seed=seed)

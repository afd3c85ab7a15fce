"""fairseq 0.12.2 on Python ≥ 3.11, beside current torch and Hydra: call `import_fairseq` first.

fairseq's last release was made for Python 3.10, torch 1.12 and Hydra 1.0. Four things break since;
each function here mends one, and none changes a number that fairseq computes.
"""

import argparse
import dataclasses
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import hydra
import hydra.experimental
import numpy as np
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf

VERSION = "0.12.2"
INSTALL = f"pip install --no-deps fairseq=={VERSION}"
"""A step of its own: its metadata asks for versions that nothing else accepts."""


class BadOption(ValueError):
    """An option on fairseq's command line that the zoo does not take: a line for the person."""


@contextmanager
def naming_options() -> Iterator[None]:
    """Tell what the zoo refuses from the errors of anything else."""
    try:
        yield
    except ValueError as error:
        raise BadOption(str(error)) from None


class FairseqNotFound(ImportError):
    """fairseq is not installed, or not the version that this module mends."""


def import_fairseq() -> ModuleType:
    """Import fairseq so that it works here, leaving the host's Hydra as it was; return it.

    Takes 4-6 seconds the first time. Raises FairseqNotFound saying what to install.
    """
    if "fairseq" in sys.modules:
        return sys.modules["fairseq"]
    try:
        from importlib.metadata import version

        found = version("fairseq")
    except ImportError:
        raise FairseqNotFound(
            f"fairseq is not installed; write {INSTALL} (it needs a C++ compiler)"
        ) from None
    if found != VERSION:
        raise FairseqNotFound(f"fairseq {found} is installed, not {VERSION}; write {INSTALL}")
    # fairseq takes both by name when it is imported.
    vars(hydra.experimental).update(initialize=_initialize, compose=_compose)
    with fairseqs_hydra(), _hashable_dataclasses(), _quietly():
        fairseq = importlib.import_module("fairseq")
    _without_fast_path()
    return fairseq


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what is imported from warning and from setting up the host's logging."""
    handlers, level = list(logging.root.handlers), logging.root.level
    disabled = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)


@contextmanager
def _hashable_dataclasses() -> Iterator[None]:
    """While it lasts, fairseq's dataclasses are hashable.

    Since 3.11, Python refuses a dataclass instance as a default unless it is hashable, and
    fairseq's configuration classes have each other's instances as defaults. A factory in their
    place would not do: fairseq reads the defaults off the class.
    """
    original: Callable[..., Any] = dataclasses.dataclass

    def dataclass(cls: type | None = None, /, **options: Any) -> Any:
        def decorate(cls: type) -> type:
            made: type = original(cls, **options)
            if made.__hash__ is None and made.__module__.partition(".")[0] == "fairseq":
                made.__hash__ = object.__hash__
            return made

        return decorate if cls is None else decorate(cls)

    dataclasses.dataclass = dataclass
    try:
        yield
    finally:
        dataclasses.dataclass = original


@contextmanager
def fairseqs_hydra() -> Iterator[None]:
    """While it lasts, Hydra's singletons are fairseq's own, and the host's are put aside.

    fairseq fills Hydra's store with groups called ``task`` and ``optimizer`` and clears its global
    state: in a Hydra application both would be the host's. Register plugins inside of it.
    """
    kinds = (ConfigStore, GlobalHydra, VersionBase)
    hydras = {name: ConfigStore.instance().repo.setdefault(name, {}) for name in HYDRAS_OWN}
    hosts: dict[type, Any] = {
        kind: Singleton._instances.pop(kind) for kind in kinds if kind in Singleton._instances
    }
    Singleton._instances.update(_fairseqs)
    ConfigStore.instance().repo.update(hydras)  # the same objects: Hydra adds to them as it goes
    try:
        yield
    finally:
        _fairseqs[ConfigStore] = Singleton._instances[ConfigStore]
        for kind in kinds:
            Singleton._instances.pop(kind, None)
        Singleton._instances.update(hosts)


_fairseqs: dict[type, Any] = {}
HYDRAS_OWN = ("hydra", "_dummy_empty_config_.yaml")
"""What Hydra itself keeps in its store."""


@contextmanager
def _initialize(config_path: str | None = None, **_: Any) -> Iterator[None]:
    """Stand in for Hydra 1.0's ``initialize``, which fairseq calls with its own folder only."""
    folder = os.path.join(os.path.dirname(sys.modules["fairseq"].__file__ or ""), "config")  # noqa: PTH118, PTH120
    with fairseqs_hydra(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its configuration is written in Hydra 1.0's ways
        with hydra.initialize_config_dir(folder, version_base="1.1"):
            yield


def _compose(name: str, overrides: Sequence[str] = (), strict: bool | None = None) -> DictConfig:
    """Stand in for Hydra 1.0's ``compose``, whose ``strict`` is gone."""
    composed = hydra.compose(name, overrides=list(overrides))
    if strict is not None:
        OmegaConf.set_struct(composed, strict)
    return composed


def _without_fast_path() -> None:
    """Take fairseq's second copy of every encoder layer's weights away.

    It serves torch's fused encoder layer, crashes in generation with current torch, and counts
    every encoder parameter twice.
    """
    layers = importlib.import_module("fairseq.modules.transformer_layer")
    Layer = layers.TransformerEncoderLayerBase
    original = Layer.__init__

    def initialise(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.can_use_fastpath = False
        for name in ("in_proj", "out_proj", "fc1", "fc2"):
            delattr(self, f"{name}_weight")
            delattr(self, f"{name}_bias")

    Layer.__init__ = initialise
    del Layer._load_from_state_dict  # it would fill the copies


def trust_fairseqs_checkpoints() -> None:
    """Let ``torch.load`` read what fairseq's checkpoints hold besides tensors.

    Its default since 2.6 refuses everything that is not on a list; fairseq's own commands read
    their own files with that default.
    """
    core: Any = np._core if hasattr(np, "_core") else np.core
    numbers = [type(np.dtype(letter)) for letter in "?bBhHiIlLqQefd"]
    trusted = [argparse.Namespace, np.ndarray, np.dtype, core.multiarray.scalar]
    torch.serialization.add_safe_globals([*trusted, core.multiarray._reconstruct, *numbers])

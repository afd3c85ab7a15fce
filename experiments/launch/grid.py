"""The runs of an experiment: products of axes, composed by Hydra.

An experiment's file lists products under ``grid``::

    grid:
      - {optimizer: [sgd, adam, radam], optimizer.lr: [0.1, 0.03], seed: [1, 2]}
      - {optimizer: [adam_warmup], schedule.warmup.updates: [100, 200], seed: [1, 2]}

A product with a key ``protocols`` belongs to these protocols alone. Comma lists on the command
line override axes: values replace an axis wherever a product has it; a choice of a whole file
(``optimizer=adam,radam``) selects among the products, and one that no product lists joins the
first.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence

from omegaconf import DictConfig, OmegaConf

from experiments.config.choices import GROUPS, choices, suggestion
from experiments.config.compose import compose, set_field
from experiments.config.schema import CONFIG_DIR, RunConfig
from experiments.config.validate import from_dict, resolve
from experiments.config.words import check_words, read_word, values_of
from experiments.errors import UserError
from experiments.files import cache_folder, write_atomic

Axes = dict[str, list[str]]
"""Keys as on Hydra's command line, and the values that each takes."""

CONTEXT = ("experiment", "task", "protocol")
"""What decides which products there are."""

CACHED = 20
"""Grids whose runs are kept in the cache; the oldest is dropped first."""

SUITE = ("experiments", "radam")
"""The code that decides what a grid is."""


def expand(overrides: Sequence[str]) -> list[RunConfig]:
    """The runs that ``key=value`` overrides stand for, each once.

    Seeds vary slowest, so that a grid that is stopped half-way has whole seeds. Raises
    :class:`UserError` for an empty grid and for a run that is not valid.
    """
    axes = read_axes(overrides)
    contexts = [[f"{k}={v}" for v in axes.pop(k)] for k in CONTEXT if k in axes]
    runs: dict[str, RunConfig] = {}
    for context in itertools.product(*contexts):
        for product in _override(_products(compose(context)), axes):
            for config in _compose_product(context, product):
                runs.setdefault(config.model_dump_json(exclude={"experiment"}), config)
    if not runs:
        raise UserError(
            f"a grid of 0 runs: {' '.join(overrides) or 'these words'} select nothing; see "
            "configs/experiment/ for the grids and configs/optimizer/ for the optimizers"
        )
    return sorted(runs.values(), key=lambda config: config.seed)


def cached(
    overrides: Sequence[str], compose: Callable[[Sequence[str]], list[RunConfig]] = expand
) -> list[RunConfig]:
    """``compose(overrides)``, or what it gave before if no configuration, code or variable changed.

    So planning a large grid a second time takes no time.
    """
    folder = cache_folder() / "grids"
    path = folder / f"{_cache_key(overrides)}.json"
    try:
        return [from_dict(raw) for raw in json.loads(path.read_text())]
    except (OSError, ValueError):
        configs = compose(overrides)
    try:
        write_atomic(path, json.dumps([config.model_dump(mode="json") for config in configs]))
        for old in sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-CACHED]:
            old.unlink(missing_ok=True)
    except OSError:
        pass  # no home to keep it in: compose again the next time
    return configs


def _cache_key(overrides: Sequence[str]) -> str:
    root = CONFIG_DIR.parent
    digest = hashlib.sha256(json.dumps([*overrides, os.environ.get("RADAM_DATA")]).encode())
    sources = [CONFIG_DIR.rglob("*.yaml"), *((root / p).rglob("*.py") for p in SUITE)]
    for path in sorted(path for found in sources for path in found):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:20]


def read_axes(overrides: Sequence[str]) -> Axes:
    """Every override as an axis: ``seed=1,2`` and Hydra's ``seed=range(1,3)`` have two values."""
    settings = map(read_word, check_words(overrides))
    return {setting.key_or_group: values_of(setting) for setting in settings}


def _products(composed: DictConfig) -> list[Axes]:
    """The products that an experiment lists for the protocol in hand; one empty one without."""
    if composed.get("grid") is None:
        return [{}]
    where = f"configs/experiment/{composed.get('experiment')}.yaml, grid"
    grid = composed.grid
    if OmegaConf.is_config(grid):
        grid = OmegaConf.to_container(grid)
    if not isinstance(grid, list):
        raise UserError(f"{where}: {grid} is not a list; begin each product with a dash (-)")
    products = []
    for number, listed in enumerate(grid, 1):
        axes = _typed(listed, f"{where}, product {number}")
        protocols = axes.pop("protocols", None)
        if protocols is None or composed.protocol.name in protocols:
            products.append(axes)
    return products


def _typed(listed: object, where: str) -> Axes:
    """A product as the file has it. Raises :class:`UserError` naming file, product and key."""
    if not isinstance(listed, dict) or not listed:
        raise UserError(f"{where}: {listed} is not a product; write axes, such as seed: [1, 2]")
    axes: Axes = {}
    for key, values in listed.items():
        if not isinstance(values, list) or not values:
            raise UserError(
                f"{where}: {key}: {values} is not a list of values; write {key}: "
                f"[{'...' if values in (None, []) else values}]"
            )
        axes[str(key)] = ["null" if value is None else str(value) for value in values]
    known = choices("protocol")
    for protocol in axes.get("protocols", ()):
        if protocol not in known:
            raise UserError(f"{where}: protocols: {protocol}{suggestion(protocol, known)}")
    return axes


def _override(products: list[Axes], axes: Axes) -> list[Axes]:
    for key, wanted in axes.items():
        holders = [product for product in products if key in product]
        listed = {value for product in holders for value in product[key]}
        if not holders:
            products = [{**product, key: wanted} for product in products]
        for product in holders:
            product[key] = [v for v in wanted if v in product[key]] if key in GROUPS else wanted
        if holders and key in GROUPS:
            holders[0][key] = holders[0][key] + [v for v in wanted if v not in listed]
    return products


def _compose_product(context: Sequence[str], product: Axes) -> Iterator[RunConfig]:
    if not all(product.values()):
        return
    files = [key for key in product if key in GROUPS]
    fields = [key for key in product if key not in GROUPS]
    for choice in itertools.product(*([f"{key}={v}" for v in product[key]] for key in files)):
        # Hydra composes the files; the fields are then set in what it composed, which is fast.
        composed = compose([*context, *choice, *(f"{key}={product[key][0]}" for key in fields)])
        for values in itertools.product(*(product[key] for key in fields)):
            for key, value in zip(fields, values, strict=True):
                set_field(composed, f"{key}={value}")
            yield resolve(composed)

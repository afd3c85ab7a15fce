"""The files in a run's folder, ``runs/<task>/<run-id>/``, by name. Imports nothing."""

CONFIG = "config.yaml"
"""The run's whole configuration: enough to carry it out."""

METRICS = "metrics.jsonl"
"""Its records, one JSON object a line (:mod:`experiments.tracking.records`)."""

RESULT = "result.json"
"""What became of it (:mod:`experiments.tracking.result`)."""

DATA = "data.json"
"""Which data it reads: their digest, and in words."""

LOCK = "lock"
"""Held by the process that carries it out."""

STOP = "stop"
"""Asks it to stop, for where a signal does not get through: from another machine, or past a
container's engine. Whoever starts the run removes an old one."""

LOG = "log.txt"
"""What a run of a sweep printed."""

MIRROR = "wandb.json"
"""Where its mirror in Weights & Biases is, and of which state of the store."""

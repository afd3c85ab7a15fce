"""fairseq's own trainer, set up as a run of this project is: what we are measured against."""

from collections.abc import Sequence
from typing import Any

import torch

from experiments.config.schema import RunConfig
from experiments.tasks.translation.config import TranslationConfig
from experiments.tasks.translation.task import Translation


def fairseqs_trainer(config: RunConfig, task: Translation, words: Sequence[str]) -> Any:
    """A ``Trainer`` with the run's model, data, loss, clipping, accumulation and seed.

    ``words``: the optimizer and the schedule (and whatever else differs) on its command line.
    The model is drawn from the seed as ours is; the training set is ``task``'s.
    """
    from fairseq import options, tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf
    from fairseq.trainer import Trainer

    sizes = config.task
    assert isinstance(sizes, TranslationConfig)
    line = [
        str(task.prepared.folder),
        *("-s", task.languages[0], "-t", task.languages[1], "--arch", "transformer_iwslt_de_en"),
        *("--dropout", str(sizes.dropout), "--num-workers", "0"),
        *("--criterion", "label_smoothed_cross_entropy"),
        *("--label-smoothing", str(sizes.label_smoothing)),
        *("--max-tokens", str(config.protocol.batch_size), "--seed", str(config.seed)),
        *("--clip-norm", str(config.training.grad_clip or 0)),
        *("--update-freq", str(config.training.accumulate), *words),
    ]
    for side in ("encoder", "decoder"):
        line += [f"--{side}-layers", str(sizes.layers), f"--{side}-embed-dim", str(sizes.width)]
        line += [f"--{side}-attention-heads", str(sizes.heads)]
        line += [f"--{side}-ffn-embed-dim", str(sizes.ffn)]
    parsed = options.parse_args_and_arch(options.get_training_parser(), line)
    configuration = convert_namespace_to_omegaconf(parsed)
    theirs = tasks.setup_task(configuration.task)
    theirs.datasets["train"] = task.train.dataset
    torch.manual_seed(config.seed)
    model = theirs.build_model(configuration.model)
    criterion = theirs.build_criterion(configuration.criterion)
    return Trainer(configuration, theirs, model, criterion)


def updates_of_an_epoch(trainer: Any, iterator: Any, accumulate: int = 1) -> Any:
    """The groups of samples of the next epoch, as fairseq's command goes through them."""
    from fairseq.data import iterators

    trainer.begin_epoch(iterator.next_epoch_idx)
    return iterators.GroupedIterator(iterator.next_epoch_itr(shuffle=True), accumulate)

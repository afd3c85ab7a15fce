"""Under our loop as under fairseq's own trainer: batches, losses, updates, model, BLEU."""

import itertools
import math

import pytest
import torch

from benchmarks.fairseq_trainer import fairseqs_trainer, updates_of_an_epoch
from experiments.config.length import build_schedule, length
from experiments.training.run import build_step
from radam.fairseq_plugin.compat import fairseqs_hydra
from tests.experiments.tasks.translation.conftest import configuration

pytestmark = pytest.mark.usefixtures("small_stand_in")

CPU = torch.device("cpu")
UPDATES = 50


@pytest.mark.parametrize(("optimizer", "accumulate"), [("adam", 1), ("radam", 1), ("radam", 3)])
def test_the_first_50_updates_are_fairseqs(fairseq, optimizer, accumulate):
    config = configuration(
        f"optimizer={optimizer}",
        "optimizer.lr=0.003",
        "task.train_examples=null",
        "task.longest=null",
        f"protocol.updates={UPDATES}",
        "training.grad_clip=0.5",
        f"training.accumulate={accumulate}",
    )
    task, step = build_step(config, CPU)
    with fairseqs_hydra():
        import radam.fairseq_plugin.optimizers
        import radam.fairseq_plugin.schedules  # noqa: F401
    words = ["--cpu", "--optimizer", optimizer, "--adam-betas", "(0.9,0.999)"]
    words += ["--weight-decay", "0.0001", "--lr", "0.003", "--lr-scheduler", "linear"]
    words += ["--max-update", str(UPDATES), "--end-lr", "1e-9"]
    trainer = fairseqs_trainer(config, task, words)
    trainer.task.load_dataset("train", combine=True)  # its own reading of the folder, not ours
    ours = step.model.transformer
    buffers = {k for k in trainer.model.state_dict() if k.endswith("_float_tensor")}
    state = {k: v for k, v in ours.state_dict().items() if k not in buffers}
    theirs = {k: v for k, v in trainer.model.state_dict().items() if k not in buffers}
    torch.testing.assert_close(state, theirs, rtol=0, atol=0)  # the same seed, the same model

    from fairseq import metrics

    schedule = build_schedule(config, length(config, task.batches_per_epoch))
    iterator = trainer.get_train_iterator(epoch=1)
    losses = []
    while len(losses) < UPDATES:
        batches = task.batches(iterator.next_epoch_idx - 1)
        for samples in updates_of_an_epoch(trainer, iterator, accumulate):
            group = list(itertools.islice(batches, accumulate))
            if len(group) < accumulate or len(losses) == UPDATES:
                break  # fairseq makes an update of an incomplete group, this loop does not
            for sample, batch in zip(samples, group, strict=True):
                assert torch.equal(sample["target"], batch.target)
                assert torch.equal(sample["net_input"]["src_tokens"], batch.source)
            with metrics.aggregate() as logged:
                trainer.train_step(samples)
            loss, _ = step(group, schedule(len(losses) + 1))
            losses.append((float(loss), float(logged["loss"].avg) * math.log(2)))
    found, expected = zip(*losses, strict=True)
    assert len(found) == UPDATES
    assert sum(found[:10]) > sum(found[-10:]) + 0.5  # it learns, so the comparison says something
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["iwslt_de_en", "wmt_en_de"])
def test_the_papers_models_are_fairseqs_named_ones(fairseq, name):
    from argparse import Namespace

    from fairseq.models import ARCH_CONFIG_REGISTRY
    from fairseq.models.transformer import TransformerConfig

    from experiments.config.compose import compose
    from experiments.config.validate import resolve
    from experiments.tasks.translation.model import sizes

    words = ["task=iwslt14_de_en" if name == "iwslt_de_en" else "task=wmt16_en_de"]
    ours = sizes(resolve(compose([*words, "protocol=paper", "task.dataset=standin"])).task)
    named = Namespace()
    ARCH_CONFIG_REGISTRY[f"transformer_{name}"](named)
    theirs = TransformerConfig.from_namespace(named)
    ours.dropout = theirs.dropout = 0.0  # the recipe sets it
    ours.share_all_embeddings = ours.share_decoder_input_output_embed = False
    for part in ("encoder", "decoder"):
        assert vars(getattr(ours, part)) == vars(getattr(theirs, part))
    assert {k: v for k, v in vars(ours).items() if k not in ("encoder", "decoder")} == {
        k: v for k, v in vars(theirs).items() if k not in ("encoder", "decoder")
    }


def test_bleu_is_fairseqs_on_tokens_and_adds_up():
    from fairseq.data import Dictionary
    from fairseq.scoring.bleu import BleuConfig, Scorer

    from experiments.tasks.task import add_counts, read_counts
    from experiments.tasks.translation import bleu

    references = ["the cat sat on the mat today", "a dog ran away from the big house"]
    lines = ["the cat sat on the mat", "a dog ran from the big big house now"]
    dictionary = Dictionary()
    scorer = Scorer(BleuConfig(pad=dictionary.pad(), eos=dictionary.eos(), unk=dictionary.unk()))
    for reference, line in zip(references, lines, strict=True):
        scorer.add(*(dictionary.encode_line(x, add_if_not_exist=True).int()
                     for x in (reference, line)))  # fmt: skip
    total = {}
    for reference, line in zip(references, lines, strict=True):
        add_counts(total, bleu.count([line], [reference], "en"))
    found = bleu.scores(read_counts(total))
    assert 20 < found["bleu"] < 80
    assert found["bleu"] == pytest.approx(scorer.score(), abs=1e-4)
    whole = bleu.scores(read_counts(bleu.count(lines, references, "en")))
    assert found == whole
    assert "tok:13a" in bleu.signature()

"""fairseq, mended, beside a Hydra application: it works, and the application is as it was."""

import dataclasses
import logging
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pytest
import torch


def test_the_hosts_state_is_left_alone(fairseq):
    from hydra.core.config_store import ConfigStore

    from radam.fairseq_plugin.compat import fairseqs_hydra

    assert "lr_scheduler" not in ConfigStore.instance().repo
    with fairseqs_hydra():
        assert "lr_scheduler" in ConfigStore.instance().repo
    assert "lr_scheduler" not in ConfigStore.instance().repo
    assert dataclasses.dataclass.__module__ == "dataclasses"


def test_importing_sets_up_no_logging():
    code = (
        "from logging import root; from radam.fairseq_plugin.compat import import_fairseq;"
        "import_fairseq(); print(len(root.handlers), root.level, root.manager.disable)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"0 {logging.WARNING} 0\n", "")


def test_compositions_of_host_and_fairseq_alternate(fairseq, tmp_path):
    import hydra
    from fairseq import options
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    (tmp_path / "app.yaml").write_text("defaults:\n  - optimizer: mine\n")
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text("lr: 1\n")
    for _ in range(2):
        with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
            assert hydra.compose("app").optimizer.lr == 1
        parser = options.get_training_parser()
        words = ["data", "--task=translation", "--arch=transformer_iwslt_de_en", "--optimizer=adam"]
        composed = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, words))
        assert composed.optimizer._name == "adam"
        assert composed.model.encoder_ffn_embed_dim == 1024


def test_an_encoder_layer_has_each_weight_once(fairseq):
    from fairseq.models.transformer import TransformerConfig
    from fairseq.modules.transformer_layer import TransformerEncoderLayerBase

    config = TransformerConfig()
    config.encoder.embed_dim, config.encoder.ffn_embed_dim = 8, 16
    config.encoder.attention_heads = 2
    layer = TransformerEncoderLayerBase(config).eval()
    attention, ffn, norms = 4 * (8 * 8 + 8), 2 * 8 * 16 + 16 + 8, 2 * 2 * 8
    assert sum(p.numel() for p in layer.parameters()) == attention + ffn + norms
    copy = TransformerEncoderLayerBase(config).eval()
    copy.load_state_dict(layer.state_dict())
    x = torch.randn(3, 2, 8)
    padding = torch.tensor([[False, False, True], [False, False, False]])
    torch.testing.assert_close(copy(x, padding), layer(x, padding))


def test_what_fairseqs_checkpoints_hold_can_be_loaded(fairseq, tmp_path):
    from radam.fairseq_plugin.compat import trust_fairseqs_checkpoints

    trust_fairseqs_checkpoints()
    held = {"args": Namespace(lr=[0.1]), "metric": np.float64(1.5), "array": np.arange(3)}
    torch.save(held, tmp_path / "checkpoint.pt")
    found = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert found["args"].lr == [0.1]
    assert found["metric"] == 1.5
    assert found["array"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("found", "told"),
    [(None, "is not installed; write pip install"), ("0.10.0", "fairseq 0.10.0 is installed")],
)
def test_a_missing_or_other_fairseq_is_named(monkeypatch, found, told):
    from importlib import metadata

    from radam.fairseq_plugin import compat

    def version(name):
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.delitem(sys.modules, "fairseq", raising=False)
    with pytest.raises(compat.FairseqNotFound, match=told):
        compat.import_fairseq()

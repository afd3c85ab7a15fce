"""fairseq's Transformer with its label-smoothed loss, as one module of the loop's."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from experiments.tasks.translation.config import TranslationConfig


class Translator(nn.Module):
    """A Transformer that returns its loss, so that wrappers such as DDP see one forward pass.

    Args:
        transformer: fairseq's model.
        label_smoothing: ε, spread evenly over all pieces but the right one.
        pad: the padding's number.
    """

    def __init__(self, transformer: Any, label_smoothing: float, pad: int) -> None:
        super().__init__()
        self.transformer, self.label_smoothing, self.pad = transformer, label_smoothing, pad

    def forward(self, source: Tensor, lengths: Tensor, previous: Tensor, target: Tensor) -> Any:
        """Sums over the target's pieces: (label-smoothed loss, negative log-likelihood), in nats.

        source [B, S], lengths [B], previous [B, T] and target [B, T]: numbers of pieces, padded.
        """
        features, _ = self.transformer(source, lengths, previous, features_only=True)
        kept = target != self.pad  # the projection is the largest product: none of it on padding
        logits = self.transformer.decoder.output_layer(features[kept]).float()
        right = target[kept]
        # fairseq gives each other piece ε/(V−1); torch's ε is shared by all V.
        pieces = logits.shape[1]
        smoothing = self.label_smoothing * pieces / (pieces - 1)
        log_probabilities = F.log_softmax(logits, dim=1)
        nll = F.nll_loss(log_probabilities, right, reduction="sum")
        even = -log_probabilities.mean(dim=1).sum()
        return (1 - smoothing) * nll + smoothing * even, nll.detach()


def sizes(config: TranslationConfig) -> Any:
    """fairseq's configuration of a post-norm Transformer with sinusoidal positions.

    ``transformer_iwslt_de_en`` is 6 layers, width 512, 4 heads, FFN 1,024, nothing shared;
    ``transformer_wmt_en_de`` has 8 heads and an FFN of 2,048.
    """
    from fairseq.models.transformer import TransformerConfig

    made = TransformerConfig()
    for part in (made.encoder, made.decoder):
        part.layers, part.attention_heads = config.layers, config.heads
        part.embed_dim, part.ffn_embed_dim = config.width, config.ffn
    made.decoder.input_dim = made.decoder.output_dim = config.width
    made.dropout = config.dropout
    made.share_all_embeddings = config.share_embeddings == "all"
    made.share_decoder_input_output_embed = config.share_embeddings != "none"
    return made


def build_transformer(config: TranslationConfig, task: Any) -> Any:
    """fairseq's Transformer of the configured sizes. ``task``: fairseq's, for its dictionaries."""
    from fairseq.models.transformer import TransformerModelBase

    transformer = TransformerModelBase.build_model(sizes(config), task)
    for module in transformer.modules():
        if hasattr(module, "_float_tensor"):  # says where the positions go; its value is left open
            module._float_tensor.zero_()
    for layer in transformer.decoder.layers:
        _fuse(layer.encoder_attn)
    return transformer


def _fuse(attention: Any) -> None:
    """Let the decoder's attention to the source go through torch's fused kernels, too.

    fairseq's goes its own way, one matrix of weights for every head, since keys and values are the
    same at every step of a search. Outside of a search that is of no use, and the others' way
    (which ends in ``scaled_dot_product_attention``) gives the same numbers.
    """
    original = attention.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("incremental_state") is None:
            kwargs |= {"static_kv": False, "need_weights": False, "need_head_weights": False}
        return original(*args, **kwargs)

    attention.forward = forward

"""The transducer loss of one decoder over one encoder's output."""

from __future__ import annotations

from torch import Tensor

from jointst.nn.decoder import TransducerDecoder
from jointst.ops.transducer import lattice_loss


def transducer_loss(
    decoder: TransducerDecoder,
    encoded: Tensor,
    lengths: Tensor,
    labels: Tensor,
    label_lengths: Tensor,
    *,
    fastemit: float = 0.0,
) -> Tensor:
    """Negative log likelihood for each label, so that weights mean the same at every length.

    Args:
        decoder: predictor and joiner.
        encoded: (B, T, D).
        lengths: (B,) valid positions.
        labels: (B, U) int64, padded with any value of at least 1.
        label_lengths: (B,).
        fastemit: see :func:`jointst.ops.transducer.lattice_loss`.

    Returns:
        A scalar: the summed loss over the number of labels.
    """
    log_blank, log_label = decoder.lattice(encoded, labels, (lengths, label_lengths))
    losses = lattice_loss(log_blank, log_label, lengths, label_lengths, fastemit=fastemit, reduction="sum")
    return losses / label_lengths.sum().clamp_min(1)

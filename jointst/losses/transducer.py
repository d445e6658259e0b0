"""The transducer loss of one decoder over one encoder's output, exact or in a band.

B batch, T positions, U labels, S places of a frame in the band.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from jointst.nn.decoder import TransducerDecoder
from jointst.ops.band import Band, find_band, mass_outside
from jointst.ops.transducer import lattice_loss, lattice_occupation


@dataclass(frozen=True, kw_only=True)
class TransducerLosses:
    """What each utterance of a batch costs.

    Attributes:
        losses: (B,) negative log likelihoods; of a band, of the paths inside it.
        additive: (B,) those of the additive joiner, if it was asked.
        outside: (B,) the share of its paths that the band leaves out, if there is a band.
    """

    losses: Tensor
    additive: Tensor | None = None
    outside: Tensor | None = None

    def rows(self, part: slice) -> TransducerLosses:
        """Those of some utterances."""
        additive = None if self.additive is None else self.additive[part]
        outside = None if self.outside is None else self.outside[part]
        return TransducerLosses(losses=self.losses[part], additive=additive, outside=outside)


def transducer_losses(
    decoder: TransducerDecoder,
    encoded: Tensor,
    lengths: Tensor,
    labels: Tensor,
    label_lengths: Tensor,
    *,
    additive: bool = False,
    width: int = 0,
    fastemit: float = 0.0,
) -> TransducerLosses:
    """Negative log likelihoods of the labels of each utterance.

    In a band (arXiv 2206.13236), the additive joiner says which few labels matter in each frame, and the real joiner is
    computed there alone. The additive joiner learns from what both sides give it, and does not teach them: what it is
    asked for is where paths go, and the encoders are to be the same as with the exact lattice.

    Args:
        decoder: predictor and joiners.
        encoded: (B, T, D).
        lengths: (B,) valid positions.
        labels: (B, U) int64, padded with any value of at least 1.
        label_lengths: (B,).
        additive: whether the additive joiner is asked, if the decoder has one; a band needs it.
        width: S, from :func:`jointst.ops.band.band_width`; 0 for the whole lattice.
        fastemit: see :func:`jointst.ops.transducer.lattice_loss`.
    """
    predicted = decoder.predictor(labels)
    sizes = lengths, label_lengths
    simple: Tensor | None = None
    outside: Tensor | None = None
    band: Band | None = None
    if additive and decoder.additive is not None:
        log_blank, log_label = decoder.additive(encoded.detach(), predicted.detach(), labels)
        simple, blank, label = lattice_occupation(log_blank, log_label, *sizes)
        if 0 < width <= labels.shape[1]:
            band = find_band(blank + pad(label, (0, 1)), *sizes, width)
            outside = mass_outside(blank, band, lengths)
    log_blank, log_label = decoder.lattice(encoded, predicted, labels, sizes, band)
    losses = lattice_loss(log_blank, log_label, *sizes, band=band, fastemit=fastemit)
    return TransducerLosses(losses=losses, additive=simple, outside=outside)


def transducer_loss(
    decoder: TransducerDecoder, encoded: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor
) -> Tensor:
    """The exact loss for each label, so that it means the same at every length.

    Args:
        decoder, encoded, lengths, labels, label_lengths: as in :func:`transducer_losses`.

    Returns:
        A scalar: the summed loss over the number of labels.
    """
    found = transducer_losses(decoder, encoded, lengths, labels, label_lengths)
    return found.losses.sum() / label_lengths.sum().clamp_min(1)

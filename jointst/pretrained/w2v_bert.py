"""w2v-BERT 2.0 (arXiv 2108.06209, 2312.05187): a conformer over log-mel features, two frames stacked.

B batch, T frames, F mel bins, N states, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from jointst.common.errors import DataError
from jointst.ops.masks import length_mask
from jointst.pretrained.encoder import FeatureKind
from jointst.pretrained.hub_encoder import HubEncoder

STACKED = 2
"""Frames of a state."""
MEL_BINS = 80
SMALLEST = 1e-7
"""Added to a variance."""


class W2vBertEncoder(HubEncoder):
    """Wav2Vec2BertModel over our own log-mel features.

    It was trained on the same ones save for the floor under a mel energy, which is 1.19e-7 there and 1 here: frames of
    digital silence lie nearer to quiet speech than it knows, and after normalisation by utterance all others a little
    lower. An odd frame at the end is stacked with the mean of its utterance, where the original drops it.
    """

    kind = "w2v_bert"
    features: ClassVar[FeatureKind] = "log_mel"
    causal = False
    model_types = ("wav2vec2-bert",)
    library_class = "Wav2Vec2BertModel"
    prefixes = ("wav2vec2_bert.", "")
    overruled: ClassVar[Mapping[str, Any]] = {
        "add_adapter": False,
        "use_intermediate_ffn_before_adapter": False,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
    }
    frames_per_state = STACKED
    row_width = MEL_BINS

    def check(self) -> None:
        """Its input must be two frames of 80 bins, and its positions those of w2v-BERT 2.0.

        The library keeps tables of the others, which follow what was encoded last.
        """
        positions = self.config.position_embeddings_type
        if positions not in (None, "relative_key"):
            raise DataError(f"has positions of the kind {positions}, not relative_key", fix=self.fix())
        width = self.config.feature_projection_input_dim
        if width != STACKED * MEL_BINS:
            problem = f"reads {width} values for each state, not {STACKED} frames of {MEL_BINS} mel bins"
            raise DataError(problem, fix=self.fix())

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode: see :meth:`PretrainedEncoder.forward`; N is half of T, rounded up."""
        x = normalised(features, lengths)
        x = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % STACKED))
        x = x.reshape(x.shape[0], -1, STACKED * x.shape[2])  # (B, T, F) -> (B, N, 2 F)
        lengths = self.state_lengths(lengths)
        x, _ = self.model.feature_projection(x)
        states: Tensor = self.model.encoder(x, attention_mask=length_mask(lengths, x.shape[1])).last_hidden_state
        return states, lengths

    def state_lengths(self, lengths: Tensor) -> Tensor:
        """Half of the frames, rounded up."""
        return (lengths + 1) // STACKED

    def blocks(self) -> list[nn.Module]:
        """The projection of the features, then the layers."""
        return [self.model.feature_projection, *self.layers()]


def normalised(features: Tensor, lengths: Tensor) -> Tensor:
    """Features with the mean 0 and the variance 1 in each utterance and bin, and zeros behind its end.

    Args:
        features: (B, T, F).
        lengths: (B,) valid frames.

    Returns:
        (B, T, F).
    """
    valid = length_mask(lengths, features.shape[1])[:, :, None]
    count = lengths[:, None, None].to(features.dtype)
    mean = features.where(valid, 0.0).sum(1, keepdim=True) / count.clamp_min(1)
    centred = (features - mean).where(valid, 0.0)
    variance = centred.square().sum(1, keepdim=True) / (count - 1).clamp_min(1)
    return centred * torch.rsqrt(variance + SMALLEST)

"""A transducer decoder: predictor and joiner, and its lattice in little memory.

B batch, T positions, U labels, V labels with the blank, J joint features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from jointst.config import DecoderConfig
from jointst.nn.joiner import HatJoiner, Joiner, RnntJoiner
from jointst.nn.predictor import EmbeddingPredictor, LstmPredictor

_BYTES = 4


class TransducerDecoder(nn.Module):
    """Predictor and joiner over one encoder's output.

    Args:
        vocabulary: V.
        encoder_dim: features of the encoder's output.
        config: kinds and sizes.
    """

    predictor: EmbeddingPredictor | LstmPredictor
    joiner: Joiner

    def __init__(self, vocabulary: int, encoder_dim: int, config: DecoderConfig) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.lattice_bytes = config.lattice_bytes
        if config.predictor == "embedding":
            self.predictor = EmbeddingPredictor(vocabulary, config.embedding_dim, config.context)
        else:
            self.predictor = LstmPredictor(vocabulary, config.embedding_dim)
        joiner = HatJoiner if config.kind == "hat" else RnntJoiner
        self.joiner = joiner(vocabulary, encoder_dim, config.embedding_dim, config.joint_dim)

    def lattice(self, encoded: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """log P(blank) (B, T, U+1) and log P(next label) (B, T, U), what the transducer loss needs.

        The logits (B, T, U+1, V) never exist at once: they are made in chunks of time within the memory budget, and
        made again in backward. When all fit into one chunk, they are kept.

        Args:
            encoded: (B, T, D).
            labels: (B, U) int64, padded with any value of at least 1.
        """
        encoder = self.joiner.project_encoder(encoded)
        predictor = self.joiner.project_predictor(self.predictor(labels))
        for_each_frame = predictor.shape[0] * predictor.shape[1] * self.vocabulary * _BYTES
        chunk = max(1, self.lattice_bytes // for_each_frame)
        if chunk >= encoder.shape[1]:
            return self.joiner.lattice(encoder[:, :, None], predictor[:, None], labels)
        parts = [
            checkpoint(self.joiner.lattice, part[:, :, None], predictor[:, None], labels, use_reentrant=False)
            for part in encoder.split(chunk, dim=1)
        ]
        return torch.cat([blank for blank, _ in parts], dim=1), torch.cat([label for _, label in parts], dim=1)

"""A transducer decoder: predictor and joiner, and its lattice in little memory.

B batch, T positions, U labels, S places of a frame (of a band; else U+1), V labels with the blank, J joint features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jointst.config import DecoderConfig
from jointst.nn.joiner import AdditiveJoiner, HatJoiner, Joiner, RnntJoiner
from jointst.nn.predictor import EmbeddingPredictor, LstmPredictor
from jointst.ops.band import Band


class TransducerDecoder(nn.Module):
    """Predictor and joiner over one encoder's output.

    Args:
        vocabulary: V.
        encoder_dim: features of the encoder's output.
        config: kinds and sizes.
    """

    predictor: EmbeddingPredictor | LstmPredictor
    joiner: Joiner
    additive: AdditiveJoiner | None
    """Finds the band, if the lattice is trained in one; nothing else needs it."""

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
        hat = config.kind == "hat"
        self.additive = None
        if config.band:
            with torch.random.fork_rng(devices=()):  # all other weights are those of a model without a band
                self.additive = AdditiveJoiner(vocabulary, encoder_dim, config.embedding_dim, hat)

    def lattice(
        self,
        encoded: Tensor,
        predicted: Tensor,
        labels: Tensor,
        lengths: tuple[Tensor, Tensor] | None = None,
        band: Band | None = None,
    ) -> tuple[Tensor, Tensor]:
        """log P(blank) (B, T, S) and log P(next label) (B, T, S-1), what the transducer loss needs.

        Args:
            encoded: (B, T, D).
            predicted: (B, U+1, D'), the predictor's output for ``labels``.
            labels: (B, U) int64, padded with any value of at least 1.
            lengths: (B,) positions and (B,) labels; padding is then left out, and its scores are 0.
            band: of the lattice, where alone the joiner is computed; None for all of it.
        """
        return self.joiner.lattice(
            self.joiner.project_encoder(encoded),
            self.joiner.project_predictor(predicted),
            labels,
            self.lattice_bytes,
            lengths,
            band,
        )

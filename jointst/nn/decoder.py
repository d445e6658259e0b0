"""A transducer decoder: predictor and joiner, and its lattice in little memory.

B batch, T positions, U labels, V labels with the blank, J joint features.
"""

from __future__ import annotations

from torch import Tensor, nn

from jointst.config import DecoderConfig
from jointst.nn.joiner import HatJoiner, Joiner, RnntJoiner
from jointst.nn.predictor import EmbeddingPredictor, LstmPredictor


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

    def lattice(
        self, encoded: Tensor, labels: Tensor, lengths: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """log P(blank) (B, T, U+1) and log P(next label) (B, T, U), what the transducer loss needs.

        Args:
            encoded: (B, T, D).
            labels: (B, U) int64, padded with any value of at least 1.
            lengths: (B,) positions and (B,) labels; padding is then left out, and its scores are 0.
        """
        return self.joiner.lattice(
            self.joiner.project_encoder(encoded),
            self.joiner.project_predictor(self.predictor(labels)),
            labels,
            self.lattice_bytes,
            lengths,
        )

"""From phonemes to states at about the rate of speech: upsample, mask, encode.

B batch, P phones, M upsampled text positions, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jointst.config import TextEncoderConfig
from jointst.errors import JointstError
from jointst.nn.conformer import ConformerStack
from jointst.ops.masks import length_mask


def draw_repeats(config: TextEncoderConfig, shape: torch.Size, training: bool) -> Tensor:
    """How often each phone is repeated (arXiv 2210.07353, section on upsampling).

    Args:
        config: the kind of upsampling; random kinds take their mean when not training.
        shape: (B, P).

    Returns:
        (B, P) int64 on the CPU, at least 1.
    """
    if config.upsampling == "none":
        return torch.ones(shape, dtype=torch.int64)
    if config.upsampling == "uniform":
        if training:
            return torch.randint(1, config.repeats + 1, shape)
        return torch.full(shape, round((1 + config.repeats) / 2))
    if config.upsampling == "gaussian" and training:
        return (config.repeats + config.spread * torch.randn(shape)).round().clamp_min(1).long()
    return torch.full(shape, config.repeats)


def repeats_of(config: TextEncoderConfig, shape: torch.Size, durations: Tensor | None, *, training: bool) -> Tensor:
    """How often each phone is repeated: drawn, or its given duration, and once where that is 0: no phone is lost.

    Args:
        config: the kind of upsampling.
        shape: (B, P).
        durations: (B, P), for ``upsampling: durations`` only.
        training: whether random kinds are drawn.

    Returns:
        (B, P) int64, at least 1.

    Raises:
        JointstError: durations are wanted and not given, or given and not wanted.
    """
    if (durations is not None) != (config.upsampling == "durations"):
        raise JointstError(f"text_encoder.upsampling is {config.upsampling}: durations given or missing")
    return draw_repeats(config, shape, training) if durations is None else durations.clamp_min(1)


def position_durations(durations: Tensor, lengths: Tensor) -> Tensor:
    """Speech positions of each text position, where phones are repeated as their durations say.

    Each of them is 1, save for the one position of a phone of no duration.

    Args:
        durations: (B, P) int64.
        lengths: (B,) valid phones.

    Returns:
        (B, M) int64, 0 in padding; rows have the sums of the phones' durations.
    """
    said = (durations > 0).long()[:, :, None]
    return upsample(said, lengths, durations.clamp_min(1))[0][:, :, 0]


def upsample(x: Tensor, lengths: Tensor, repeats: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat positions.

    Args:
        x: (B, P, D).
        lengths: (B,) valid phones.
        repeats: (B, P) int64; a phone of 0 repeats is left out.

    Returns:
        (B, M, D), 0 in padding, and (B,) valid positions.
    """
    repeats = repeats.to(x.device) * length_mask(lengths, x.shape[1])
    upsampled = [row.repeat_interleave(count, dim=0) for row, count in zip(x, repeats, strict=True)]
    return nn.utils.rnn.pad_sequence(upsampled, batch_first=True), repeats.sum(1)


def span_mask(lengths: Tensor, positions: int, share: float, span: int) -> Tensor:
    """Random spans over valid positions, so many that about ``share`` of them is covered when spans do not meet.

    Args:
        lengths: (B,) valid positions.
        positions: M.
        share: of positions to cover.
        span: positions of a span.

    Returns:
        (B, M) bool, true where masked.
    """
    starts = torch.rand(len(lengths), positions).to(lengths.device) < share / span
    covered = starts.clone()
    for shift in range(1, min(span, positions)):
        covered[:, shift:] |= starts[:, : positions - shift]
    return covered & length_mask(lengths, positions)


class TextEncoder(nn.Module):
    """Embeds phones, upsamples them, masks spans while training, and encodes them.

    Args:
        symbols: size of the phone table.
        dim: D.
        config: upsampling and masking.
        layers: the conformer layers.
    """

    def __init__(self, symbols: int, dim: int, config: TextEncoderConfig, layers: ConformerStack) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(symbols, dim)
        self.norm = nn.LayerNorm(dim)
        self.mask_embedding = nn.Parameter(torch.randn(dim))
        self.layers = layers

    def forward(self, phones: Tensor, lengths: Tensor, durations: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode.

        Args:
            phones: (B, P) int64.
            lengths: (B,) valid phones.
            durations: (B, P) positions of each phone, for ``upsampling: durations``.

        Returns:
            (B, M, D) and (B,) valid positions.

        Raises:
            JointstError: durations are wanted and not given, or given and not wanted.
        """
        repeats = repeats_of(self.config, phones.shape, durations, training=self.training)
        x, lengths = upsample(self.norm(self.embedding(phones)), lengths, repeats)
        if self.training and self.config.mask_share > 0:
            masked = span_mask(lengths, x.shape[1], self.config.mask_share, self.config.mask_span)
            x = torch.where(masked[:, :, None], self.mask_embedding.to(x.dtype), x)
        states, lengths = self.layers(x, lengths)
        return states[-1], lengths

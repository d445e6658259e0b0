"""From phonemes to states at about the rate of speech: upsample, mask, encode.

B batch, P phones, M upsampled text positions, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jointst.common.errors import JointstError
from jointst.config import TextEncoderConfig
from jointst.nn.conformer import ConformerStack
from jointst.ops.masks import length_mask, on_device


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

    Repeats that are drawn lie on the host, so that a GPU need not be waited for.

    Args:
        x: (B, P, D).
        lengths: (B,) valid phones.
        repeats: (B, P) int64, on any device; a phone of 0 repeats is left out.

    Returns:
        (B, M, D), 0 in padding, and (B,) valid positions; M is the longest, or more where lengths are on a GPU and
        repeats are not.
    """
    valid = length_mask(lengths, x.shape[1])
    if repeats.device == x.device:
        repeats = repeats * valid
        positions = int(repeats.sum(1).max())
    else:
        positions = int(repeats.sum(1).max())
        repeats = on_device(repeats, x.device) * valid
    ends = repeats.cumsum(1)  # (B, P), the position after the last of each phone
    upsampled = ends[:, -1]
    place = torch.arange(positions, device=x.device).expand(len(x), -1).contiguous()
    source = torch.searchsorted(ends, place, right=True).clamp_max(x.shape[1] - 1)
    taken = x.gather(1, source[:, :, None].expand(-1, -1, x.shape[2]))
    return taken.masked_fill(~length_mask(upsampled, positions)[:, :, None], 0), upsampled


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
    starts = torch.rand(len(lengths), positions, device=lengths.device) < share / span
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

    def least_positions(self, phones: int) -> int:
        """How many positions so many phones become at least."""
        return phones * (self.config.repeats if self.config.upsampling == "fixed" else 1)

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

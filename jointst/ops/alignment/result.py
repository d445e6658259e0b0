"""What an alignment is: hard positions or soft weights, and the total cost.

K layers or other leading dimensions, B batch, N speech positions, M text positions, P pairs of a path.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jointst.ops.masks import length_mask


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The pairs of a hard alignment, padded.

    Attributes:
        speech: (..., B, P) int64, the frame of each pair, 0 in padding.
        text: (..., B, P) int64, its text position, 0 in padding.
        valid: (..., B, P) bool.
    """

    speech: Tensor
    text: Tensor
    valid: Tensor


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """One alignment for each utterance: either ``index`` or ``weights`` is there.

    Attributes:
        total: (..., B) summed cost over valid frames, float32 or float64; for a soft alignment the expected cost, for
            ``soft_dtw`` its soft minimum.
        index: (..., B, N) int64, the text position of each frame, 0 in padding; for ``dtw`` the last of each frame.
        first: (..., B, N) int64, for ``dtw`` only: frame i takes the text positions first[i] to index[i].
        weights: (..., B, N, M) for soft kinds: how much frame i is with position j, 0 in padding. Rows of ``sinkhorn``
            sum to 1; ``soft_dtw`` gives the expected number of visits, at least 1 in each row and column.
    """

    total: Tensor
    index: Tensor | None = None
    first: Tensor | None = None
    weights: Tensor | None = None

    @property
    def is_soft(self) -> bool:
        """Whether there are weights and no positions."""
        return self.weights is not None

    def pairs(self, speech_lengths: Tensor, positions: int) -> Pairs:
        """All pairs of a hard alignment: one for each frame, for ``dtw`` up to N + M - 1.

        Args:
            speech_lengths: (B,).
            positions: M.
        """
        assert self.index is not None
        frames = self.index.shape[-1]
        place = torch.arange(frames, device=self.index.device)
        valid = length_mask(speech_lengths.to(self.index.device), frames).expand(self.index.shape)
        if self.first is None:
            return Pairs(speech=place.expand(self.index.shape) * valid, text=self.index, valid=valid)
        ends = ((self.index - self.first + 1) * valid).cumsum(-1)
        place = torch.arange(frames + positions - 1, device=self.index.device)
        place = place.expand(*self.index.shape[:-1], -1).contiguous()
        valid = place < ends[..., -1:]
        speech = torch.searchsorted(ends, place, right=True).clamp_max(frames - 1)
        text = self.index.gather(-1, speech) - (ends.gather(-1, speech) - 1 - place)
        return Pairs(speech=speech * valid, text=text * valid, valid=valid)

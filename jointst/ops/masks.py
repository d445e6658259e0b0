"""Masks over padded batches and over attention, and the way to a device.

B batch, T positions.
"""

from __future__ import annotations

import torch
from torch import Tensor


def on_device(host: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on a device, which is not waited for."""
    return host if device.type == "cpu" else host.pin_memory().to(device, non_blocking=True)


def length_mask(lengths: Tensor, positions: int) -> Tensor:
    """Which positions are valid.

    Args:
        lengths: (B,) integers.
        positions: T, the padded length.

    Returns:
        (B, T) bool, true before each length.
    """
    return torch.arange(positions, device=lengths.device) < lengths[:, None]


def chunk_mask(positions: int, chunk: int, left_chunks: int, device: torch.device | None = None) -> Tensor:
    """Chunked attention: a position sees its own chunk and ``left_chunks`` before it, nothing beyond.

    Returns:
        (T, T) bool, query by key.
    """
    index = torch.arange(positions, device=device) // chunk
    behind = index[:, None] - index[None, :]
    return (behind >= 0) & (behind <= left_chunks)


def right_context_mask(positions: int, right_context: int, device: torch.device | None = None) -> Tensor:
    """Full-context attention that sees at most ``right_context`` positions ahead; -1 for no limit.

    Returns:
        (T, T) bool, query by key.
    """
    index = torch.arange(positions, device=device)
    ahead = index[None, :] - index[:, None]
    return ahead <= (positions if right_context < 0 else right_context)


def attention_mask(lengths: Tensor, pattern: Tensor) -> Tensor:
    """A pattern over positions, with padded keys hidden.

    Every position sees itself, padded ones too: a softmax over no key at all would be NaN.

    Args:
        lengths: (B,) integers.
        pattern: (T, T) bool, query by key.

    Returns:
        (B, 1, T, T) bool, for all heads.
    """
    positions = pattern.shape[0]
    keys = length_mask(lengths, positions)[:, None, None, :]
    index = torch.arange(positions, device=lengths.device)
    return (pattern & keys) | (index[:, None] == index)  # torch.eye of bools has no kernel in onnxruntime

"""The transducer lattice on the CPU: all paths of an utterance, forward and backward, in float64."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange


@njit(cache=True, nogil=True)
def _log_add(a, b):  # type: ignore[no-untyped-def]
    """log(exp(a) + exp(b)); NaN if one of them is."""
    low, high = (a, b) if a < b else (b, a)
    if high == -np.inf:
        return low + high
    return high + math.log1p(math.exp(low - high))


@njit(cache=True, nogil=True)
def _forward(blank, label, before):  # type: ignore[no-untyped-def]
    """blank (T, U+1), label (T, U); writes to before (T, U+1) the log probability of getting to each place, and
    returns that of all paths."""
    frames, places = blank.shape
    before[0, 0] = 0.0
    for u in range(1, places):
        before[0, u] = before[0, u - 1] + label[0, u - 1]
    for t in range(1, frames):
        before[t, 0] = before[t - 1, 0] + blank[t - 1, 0]
        for u in range(1, places):
            before[t, u] = _log_add(before[t - 1, u] + blank[t - 1, u], before[t, u - 1] + label[t, u - 1])
    return before[frames - 1, places - 1] + blank[frames - 1, places - 1]


@njit(cache=True, nogil=True)
def _backward(blank, label, before, total, grad_blank, grad_label):  # type: ignore[no-untyped-def]
    """Writes the gradients of -total: minus the share of all paths that takes each step."""
    frames, places = blank.shape
    after = np.full(places, -np.inf)  # log probability of the rest, from each place of the next frame
    for t in range(frames - 1, -1, -1):
        for u in range(places - 1, -1, -1):
            last = t == frames - 1 and u == places - 1
            by_blank = blank[t, u] + (0.0 if last else after[u])
            grad_blank[t, u] = -math.exp(before[t, u] + by_blank - total)
            if u < places - 1:
                by_label = label[t, u] + after[u + 1]
                grad_label[t, u] = -math.exp(before[t, u] + by_label - total)
                by_blank = _log_add(by_blank, by_label)
            after[u] = by_blank


@njit(cache=True, nogil=True, parallel=True)
def lattice_losses(blank, label, frames, labels, losses, grad_blank, grad_label, wanted):  # type: ignore[no-untyped-def]
    """-log of the summed probability of all paths of each utterance, and its gradients.

    Args:
        blank: (B, T, U+1) log P(blank), float32 or float64.
        label: (B, T, U) log P(next label).
        frames: (B,) int64, at least 1.
        labels: (B,) int64.
        losses: (B,), is written.
        grad_blank, grad_label: of the shapes of blank and label; written within the lengths, if ``wanted``.
        wanted: whether gradients are.
    """
    for b in prange(blank.shape[0]):
        t, u = frames[b], labels[b]
        own_blank, own_label = blank[b, :t, : u + 1], label[b, :t, :u]
        before = np.empty((t, u + 1), dtype=np.float64)
        total = _forward(own_blank, own_label, before)
        losses[b] = -total
        if wanted:
            _backward(own_blank, own_label, before, total, grad_blank[b, :t, : u + 1], grad_label[b, :t, :u])

"""The transducer lattice on the CPU: all paths of an utterance, forward and backward, in float64.

Paths are summed as probabilities, not as their logarithms, which takes a sixth of the time; each score is first set off
against the best of its frame (a blank) or of its label, since every path takes one blank of each frame and each label
once. What is then too far apart for float64 is summed again in logarithms.

B batch, T frames, U labels, S places of a frame: place s of frame t stands for starts[t] + s labels emitted. Without a
band S is U+1, and all starts are 0.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

_APART = 300.0
"""Nats between the best beginning of a path and all whole paths, above which logarithms are taken: probabilities below
e^-700 are lost, and those that are lost must not count."""


@njit(cache=True, nogil=True)
def _width(start, places, labels):  # type: ignore[no-untyped-def]
    """Places of a frame that are within the labels."""
    return min(places, labels + 1 - start)


@njit(cache=True, nogil=True)
def _set_off(blank, label, starts, labels, set_blank, set_label):  # type: ignore[no-untyped-def]
    """Writes scores less the best of their frame or label, and returns the sum of these; -inf if one has none."""
    frames, places = blank.shape
    best = np.full(labels, -np.inf)
    total = 0.0
    for t in range(frames):
        width, start = _width(starts[t], places, labels), starts[t]
        highest = -np.inf
        for s in range(width):
            highest = max(highest, blank[t, s])
        for s in range(width):
            set_blank[t, s] = blank[t, s] - highest
        for s in range(width - 1):
            best[start + s] = max(best[start + s], label[t, s])
        total += highest
    for t in range(frames):
        start = starts[t]
        for s in range(_width(start, places, labels) - 1):
            set_label[t, s] = label[t, s] - best[start + s]
    return total + best.sum()


@njit(cache=True, nogil=True, parallel=True)
def set_off(blank, label, starts, frames, labels, set_blank, set_label, totals):  # type: ignore[no-untyped-def]
    """Scores less the best of their frame (blanks) or of their label (labels).

    Args:
        blank: (B, T, S) log P(blank), float32 or float64.
        label: (B, T, S-1) log P(next label).
        starts: (B, T) int64, labels emitted at the first place of each frame; they never fall.
        frames: (B,) int64, at least 1.
        labels: (B,) int64.
        set_blank, set_label: float64 of the shapes of blank and label; written within the lengths.
        totals: (B,) float64, the sums of what was taken off, is written.
    """
    for b in prange(blank.shape[0]):
        t = frames[b]
        own = blank[b, :t], label[b, :t], starts[b, :t]
        totals[b] = _set_off(own[0], own[1], own[2], labels[b], set_blank[b, :t], set_label[b, :t])


@njit(cache=True, nogil=True)
def _forward(blank, label, starts, labels, before):  # type: ignore[no-untyped-def]
    """Probabilities blank (T, S), label (T, S-1); writes to before (T, S) that of getting to each place over the
    frame's largest. Returns the log of the probability of all paths, and that of the best beginning."""
    frames, places = blank.shape
    scale = best = 0.0  # log of what the frame was divided by
    for t in range(frames):
        width = _width(starts[t], places, labels)
        shift = starts[t] - starts[t - 1] if t > 0 else 0
        left = largest = 0.0
        for s in range(width):
            if t == 0:
                came = 1.0 if starts[0] + s == 0 else 0.0
            else:
                came = before[t - 1, s + shift] * blank[t - 1, s + shift] if s + shift < places else 0.0
            came += left
            before[t, s] = came
            largest = max(largest, came)
            if s < width - 1:
                left = came * label[t, s]
        if not largest > 0.0:
            return -np.inf, 0.0
        scale += math.log(largest)
        best = max(best, scale)
        for s in range(width):
            before[t, s] /= largest
    last = labels - starts[frames - 1]
    whole = before[frames - 1, last] * blank[frames - 1, last] if last < places else 0.0
    return (math.log(whole) + scale if whole > 0.0 else -np.inf), best


@njit(cache=True, nogil=True)
def _backward(blank, label, starts, labels, before, grad_blank, grad_label):  # type: ignore[no-untyped-def]
    """Writes minus the share of all paths that takes each step. In each frame the shares of blanks sum to 1, which
    spares us all scales. Returns whether that worked: no frame's shares are lost."""
    frames, places = blank.shape
    after = np.zeros(places)  # probability of the rest, from each place of the next frame, at some scale
    now = np.zeros(places)
    for t in range(frames - 1, -1, -1):
        width = _width(starts[t], places, labels)
        total = largest = 0.0
        for s in range(width - 1, -1, -1):
            if t == frames - 1:
                rest = 1.0 if starts[t] + s == labels else 0.0
            else:
                will = s + starts[t] - starts[t + 1]
                rest = after[will] if will >= 0 else 0.0
            by_blank = blank[t, s] * rest
            share = before[t, s] * by_blank
            grad_blank[t, s] = -share
            total += share
            if s < width - 1:
                by_label = label[t, s] * now[s + 1]
                grad_label[t, s] = -before[t, s] * by_label
                by_blank += by_label
            now[s] = by_blank
            largest = max(largest, by_blank)
        if not total > 0.0:
            return False
        for s in range(width):
            grad_blank[t, s] /= total
            now[s] /= largest
            if s < width - 1:
                grad_label[t, s] /= total
        now[width:] = 0.0
        after, now = now, after
    return True


@njit(cache=True, nogil=True)
def _log_add(a, b):  # type: ignore[no-untyped-def]
    """log(exp(a) + exp(b)); NaN if one of them is."""
    low, high = (a, b) if a < b else (b, a)
    if high == -np.inf:
        return low + high
    return high + math.log1p(math.exp(low - high))


@njit(cache=True, nogil=True)
def _log_forward(blank, label, starts, labels, before):  # type: ignore[no-untyped-def]
    """:func:`_forward` in logarithms throughout; returns the log probability of all paths."""
    frames, places = blank.shape
    for t in range(frames):
        width = _width(starts[t], places, labels)
        shift = starts[t] - starts[t - 1] if t > 0 else 0
        left = -np.inf
        for s in range(width):
            if t == 0:
                came = 0.0 if starts[0] + s == 0 else -np.inf
            else:
                came = before[t - 1, s + shift] + blank[t - 1, s + shift] if s + shift < places else -np.inf
            if s > 0:
                came = _log_add(came, left)
            before[t, s] = came
            if s < width - 1:
                left = came + label[t, s]
    last = labels - starts[frames - 1]
    return before[frames - 1, last] + blank[frames - 1, last] if last < places else -np.inf


@njit(cache=True, nogil=True)
def _log_backward(blank, label, starts, labels, before, total, grad_blank, grad_label):  # type: ignore[no-untyped-def]
    """:func:`_backward` in logarithms throughout."""
    frames, places = blank.shape
    after = np.full(places, -np.inf)
    now = np.full(places, -np.inf)
    for t in range(frames - 1, -1, -1):
        width = _width(starts[t], places, labels)
        for s in range(width - 1, -1, -1):
            if t == frames - 1:
                rest = 0.0 if starts[t] + s == labels else -np.inf
            else:
                will = s + starts[t] - starts[t + 1]
                rest = after[will] if will >= 0 else -np.inf
            by_blank = blank[t, s] + rest
            grad_blank[t, s] = -math.exp(before[t, s] + by_blank - total)
            if s < width - 1:
                by_label = label[t, s] + now[s + 1]
                grad_label[t, s] = -math.exp(before[t, s] + by_label - total)
                by_blank = _log_add(by_blank, by_label)
            now[s] = by_blank
        now[width:] = -np.inf
        after, now = now, after


@njit(cache=True, nogil=True, parallel=True)
def lattice_losses(  # type: ignore[no-untyped-def]
    blank, label, p_blank, p_label, totals, starts, frames, labels, losses, grad_blank, grad_label, wanted
):
    """-log of the summed probability of all paths of each utterance, and its gradients.

    An utterance without a path has the loss infinity and gradients of 0. If gradients are wanted, the loss is NaN
    wherever they are.

    Args:
        blank, label, starts, frames, labels: as of :func:`set_off`.
        p_blank, p_label: exp of the scores that :func:`set_off` wrote.
        totals: what it took off.
        losses: (B,), is written.
        grad_blank, grad_label: of the shapes of blank and label; written within the lengths, if ``wanted``.
        wanted: whether gradients are.
    """
    for b in prange(blank.shape[0]):
        t, u = frames[b], labels[b]
        near = p_blank[b, :t], p_label[b, :t]
        own = starts[b, :t]
        before = np.empty((t, blank.shape[2]), dtype=np.float64)
        total, best = _forward(near[0], near[1], own, u, before)
        if best - total < _APART:
            losses[b] = -total - totals[b]
            if not wanted or _backward(near[0], near[1], own, u, before, grad_blank[b, :t], grad_label[b, :t]):
                continue
        far = blank[b, :t], label[b, :t]
        total = _log_forward(far[0], far[1], own, u, before)
        losses[b] = -total
        if wanted and total != -np.inf:
            _log_backward(far[0], far[1], own, u, before, total, grad_blank[b, :t], grad_label[b, :t])
            # A score that no path needs, and is no number, shows in the gradients alone: the loss is to tell of it.
            losses[b] += 0.0 * (grad_blank[b, :t].sum() + grad_label[b, :t].sum())

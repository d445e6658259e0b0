"""Depthwise convolution over time on the CPU, forward and backward.

B batch, T positions, K positions of the kernel, D features.
"""

from __future__ import annotations

from numba import njit, prange


@njit(cache=True, nogil=True, parallel=True)
def convolve(x, weight, bias, y):  # type: ignore[no-untyped-def]
    """y[b, t] = bias + sum over k of weight[k] x[b, t + k].

    Args:
        x: (B, T+K-1, D).
        weight: (K, D).
        bias: (D,).
        y: (B, T, D), is written.
    """
    for b in prange(y.shape[0]):
        for t in range(y.shape[1]):
            row = y[b, t]
            row[:] = bias
            for k in range(weight.shape[0]):
                tap, taken = weight[k], x[b, t + k]
                for d in range(len(row)):
                    row[d] += tap[d] * taken[d]


@njit(cache=True, nogil=True, parallel=True)
def convolve_backward(x, weight, grad_y, grad_x, grad_weight):  # type: ignore[no-untyped-def]
    """Gradients of :func:`convolve`, of each utterance.

    Args:
        x: (B, T+K-1, D).
        weight: (K, D).
        grad_y: (B, T, D).
        grad_x: (B, T+K-1, D), zeros, is written.
        grad_weight: (B, K, D), zeros, is written.
    """
    for b in prange(grad_y.shape[0]):
        for t in range(grad_y.shape[1]):
            row = grad_y[b, t]
            for k in range(weight.shape[0]):
                tap, taken, to_x, to_weight = weight[k], x[b, t + k], grad_x[b, t + k], grad_weight[b, k]
                for d in range(len(row)):
                    to_x[d] += tap[d] * row[d]
                    to_weight[d] += taken[d] * row[d]

"""Slow, obvious transducer: every path of the lattice, one by one."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor


def loss_by_enumeration(log_blank: Tensor, log_label: Tensor) -> Tensor:
    """-log of the summed probability of all paths of one utterance; differentiable.

    Args:
        log_blank: (T, U+1).
        log_label: (T, U).

    A path is an order of T - 1 blanks and U labels; the last blank, which ends the utterance, follows.
    """
    frames, labels = log_blank.shape[0], log_label.shape[1]
    moves = frames - 1 + labels
    paths = []
    for places in combinations(range(moves), labels):
        t = u = 0
        score = log_blank.new_zeros(())
        for move in range(moves):
            if move in places:
                score = score + log_label[t, u]
                u += 1
            else:
                score = score + log_blank[t, u]
                t += 1
        paths.append(score + log_blank[t, u])
    return -torch.stack(paths).logsumexp(0)


def loss_by_recursion(log_blank: Tensor, log_label: Tensor) -> Tensor:
    """The same, cell by cell, for lattices with too many paths to enumerate."""
    frames, labels = log_label.shape
    rows: list[list[Tensor]] = []
    for t in range(frames):
        rows.append([])
        for u in range(labels + 1):
            ways = []
            if t > 0:
                ways.append(rows[t - 1][u] + log_blank[t - 1, u])
            if u > 0:
                ways.append(rows[t][u - 1] + log_label[t, u - 1])
            rows[t].append(torch.stack(ways).logsumexp(0) if ways else log_blank.new_zeros(()))
    return -(rows[-1][-1] + log_blank[-1, -1])

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


def in_whole_lattice(log_blank: Tensor, log_label: Tensor, starts: Tensor, labels: int) -> tuple[Tensor, Tensor]:
    """Scores of one utterance's band, place by place in the whole lattice, minus infinity elsewhere; differentiable.

    Args:
        log_blank: (T, S).
        log_label: (T, S-1).
        starts: (T,) labels emitted at the first place of each frame.
        labels: U.

    Returns:
        (T, U+1) and (T, U).
    """
    frames, places = log_blank.shape
    nothing = log_blank.new_full((), -torch.inf)

    def of(scores: Tensor, t: int, u: int, width: int) -> Tensor:
        s = u - int(starts[t])
        return scores[t, s] if 0 <= s < width else nothing

    blank = [[of(log_blank, t, u, places) for u in range(labels + 1)] for t in range(frames)]
    label = [[of(log_label, t, u, places - 1) for u in range(labels)] for t in range(frames)]
    return (
        torch.stack([torch.stack(row) for row in blank]),
        torch.stack([torch.stack(row) for row in label]) if labels else log_label.new_zeros(frames, 0),
    )


def best_band(occupation: Tensor, width: int) -> Tensor:
    """The starts (T,) under which a band holds most of the occupation (T, U+1), of all that lead from the first label
    to the last, never fall and rise by ``width - 1`` at most."""
    frames, states = occupation.shape
    last = max(0, states - width)

    def mass(t: int, start: int) -> float:
        return float(occupation[t, start : start + width].sum())

    held = {(0,): mass(0, 0)}
    for t in range(1, frames):
        held = {
            (*starts, start): value + mass(t, start)
            for starts, value in held.items()
            for start in range(starts[-1], min(last, starts[-1] + width - 1) + 1)
        }
    return torch.tensor(max((value, starts) for starts, value in held.items() if starts[-1] == last)[1])

"""Slow, obvious forms of the tests and intervals of :mod:`jointst.scoring.significance`."""

from __future__ import annotations

import itertools
import math
import random


def exact_sign_flips(differences: list[float]) -> float:
    """P of a sum at least as large in size, over every assignment of signs."""
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    return sum(value >= observed - 1e-9 for value in sums) / len(sums)


def mapsswe(differences: list[float]) -> float:
    """Two-sided P of the mean's z score."""
    n = len(differences)
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    z = mean / math.sqrt(variance / n)
    return 2 * (1 - 0.5 * (1 + math.erf(abs(z) / math.sqrt(2))))


def bootstrap_changes(
    system: list[list[float]], baseline: list[list[float]], lengths: list[float], languages: list[str], draws: int
) -> list[float]:
    """Relative changes of the macro rate; utterances redrawn within languages, jointly; seeds of each system alone."""
    groups: dict[str, list[int]] = {}
    for i, code in enumerate(languages):
        groups.setdefault(code, []).append(i)
    dice = random.Random(0)
    changes = []
    for _ in range(draws):
        drawn = {code: [dice.choice(rows) for _ in rows] for code, rows in groups.items()}
        macros = []
        for errors in (system, baseline):
            seeds = [dice.randrange(len(errors)) for _ in errors]
            rates = [
                sum(errors[k][i] for k in seeds for i in rows) / len(seeds) / sum(lengths[i] for i in rows)
                for rows in drawn.values()
            ]
            macros.append(sum(rates) / len(rates))
        changes.append(macros[0] / macros[1] - 1)
    return changes

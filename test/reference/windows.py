"""The order of sentences that do not fit in memory, computed the slow way: place by place, all of it in lists.

The constants are those of the file that is checked; the walk, the windows and the batches are written anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BITS = 2**64


def _mixed(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % BITS
    value = (value ^ value >> 27) * 0x94D049BB133111EB % BITS
    return value ^ value >> 31


def permuted(place: int, count: int, key: Sequence[int]) -> int:
    """What stands at a place of the permutation of 0 ... count - 1."""
    half = 1
    while 4**half < count:
        half += 1
    keys = [int(own) for own in np.random.SeedSequence(tuple(key)).generate_state(6, np.uint64)]
    while True:
        left, right = divmod(place, 2**half)
        for own in keys:
            left, right = right, left ^ _mixed(right ^ own) % 2**half
        place = left * 2**half + right
        if place < count:
            return place


def windows(count: int, seed: int, epoch: int, block: int, most: int) -> list[list[int]]:
    """The utterances of each window of an epoch, in the order of the set."""
    each = -(-count // most)
    blocks = -(-count // block)
    order = [permuted(place, blocks, (seed, epoch)) for place in range(blocks)]
    found = []
    for part in range(each):
        own = sorted(order[blocks * part // each : blocks * (part + 1) // each])
        found.append([i for number in own for i in range(number * block, min((number + 1) * block, count))])
    return found


def batches(
    chosen: Sequence[int], sizes: Sequence[tuple[int, int, int]], bounds: tuple[int, int, int], key: Sequence[int]
) -> list[list[int]]:
    """Batches of some utterances: by jittered length, cut greedily, mixed.

    Args:
        chosen: the utterances.
        sizes: positions, encoder positions and labels of each of the set.
        bounds: utterances, positions and places of a lattice at most.
        key: of the random numbers.
    """
    generator = np.random.default_rng(tuple(key))
    jitter = generator.uniform(0.85, 1.15, len(chosen))
    line = [i for _, _, i in sorted((sizes[i][0] * jitter[at], at, i) for at, i in enumerate(chosen))]
    found: list[list[int]] = [[]]
    for i in line:
        tried = [*found[-1], i]
        longest, widest, tallest = (max(sizes[j][kind] for j in tried) for kind in range(3))
        lattice = len(tried) * widest * (tallest + 1)
        if found[-1] and (len(tried) > bounds[0] or len(tried) * longest > bounds[1] or lattice > bounds[2]):
            found.append([i])
        else:
            found[-1].append(i)
    return [generator.permutation(found[at]).tolist() for at in generator.permutation(len(found))]

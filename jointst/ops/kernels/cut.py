"""A line of utterances cut into batches that stay within bounds.

N utterances in their order, C batches.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def cut(positions, encoded, states, most_utterances, most_positions, most_lattice):  # type: ignore[no-untyped-def]
    """Where each batch ends: it is begun anew where one utterance more would be over a bound.

    Args:
        positions, encoded, states: (N,) int64, frames or phones, encoder positions, and labels and one, of each.
        most_utterances: of a batch.
        most_positions: utterances times the longest.
        most_lattice: utterances times the most encoder positions times the most states.

    Returns:
        (C,) int64, the number of the first utterance behind each batch.
    """
    ends = np.empty(len(positions), dtype=np.int64)
    batches = count = longest = widest = tallest = 0
    for i in range(len(positions)):
        longest, widest, tallest = max(longest, positions[i]), max(widest, encoded[i]), max(tallest, states[i])
        count += 1
        over = count > most_utterances or count * longest > most_positions or count * widest * tallest > most_lattice
        if over and count > 1:
            ends[batches] = i
            batches += 1
            count, longest, widest, tallest = 1, positions[i], encoded[i], states[i]
    ends[batches] = len(positions)
    return ends[: batches + 1]

"""ITU-T G.711 sample by sample: to the nearest of the values that 8 bits can say, as the Recommendation lists them.

Magnitudes are those of 14-bit (mu-law) and 13-bit (A-law) integers, tables 2a and 1a.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mu_law_values() -> list[int]:
    """Decoder output magnitudes of mu-law, of 8159 at most."""
    return [((2 * step + 33) << segment) - 33 for segment in range(8) for step in range(16)]


def a_law_values() -> list[int]:
    """Decoder output magnitudes of A-law, of 4096 at most, doubled to be integers."""
    first = [2 * step + 1 for step in range(16)]
    return first + [(2 * step + 33) << (segment - 1) for segment in range(1, 8) for step in range(16)]


def levels_of(law: str) -> NDArray[np.float64]:
    """All values that a law can say, of 1 at most, from the lowest."""
    values, full = (mu_law_values(), 8192.0) if law == "mu_law" else (a_law_values(), 4096.0)
    return np.array(sorted({sign * value / full for value in values for sign in (-1, 1)}))


def round_trip(samples: NDArray[np.float32], law: str) -> NDArray[np.float64]:
    """Samples (T,) in [-1, 1], each replaced by the nearest value of the law."""
    levels = levels_of(law)
    return np.array([levels[np.argmin(np.abs(levels - sample))] for sample in samples.astype(np.float64)])

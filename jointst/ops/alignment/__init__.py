"""Alignments of speech positions to text positions: one interface, one file for each family.

| kind | what it is | options | time |
|---|---|---|---|
| best | least monotone map, any jump forward (arXiv 2308.06125) | ends, band | O(N M) |
| mas | from first to last position, steps bounded (arXiv 2005.11129) | max_step, band | O(N M max_step) |
| dtw | classic three moves, every frame and position used | band | O(N M) |
| framewise | linear interpolation of positions | | O(N) |
| random | a sorted random map | seed | O(N log N) |
| nearest | the nearest position, in any order | band | O(N M) |
| forced | given durations | durations | O(N log M) |
| soft_dtw | soft minimum over DTW paths (arXiv 1703.01541) | gamma, band | O(N M) |
| sinkhorn | entropic transport with a prior (arXiv 1306.0895) | temperature, iterations, prior, band | O(N M) |

B batch, N speech positions, M text positions. Where the next alignment goes: :mod:`jointst.ops.alignment.registry`.
"""

from jointst.ops.alignment.monotone import best_alignment
from jointst.ops.alignment.registry import KINDS, Kind, align, kind_of, make_options
from jointst.ops.alignment.result import Alignment, Pairs
from jointst.ops.alignment.simple import durations_of, framewise_alignment, random_alignment

__all__ = [
    "KINDS",
    "Alignment",
    "Kind",
    "Pairs",
    "align",
    "best_alignment",
    "durations_of",
    "framewise_alignment",
    "kind_of",
    "make_options",
    "random_alignment",
]

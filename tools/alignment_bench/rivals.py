"""``best`` against other libraries and against the form that the paper states, on the same costs."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numba
import numpy as np
import torch
from bench_report import Report, milliseconds, time_rounds
from numba import njit, prange
from numpy.typing import NDArray

from jointst.ops.alignment import align

SHAPE, TOY_SHAPE = (32, 400, 256), (2, 8, 6)
"""Utterances, speech positions and text positions."""


@njit(nogil=True, parallel=True, cache=True)
def naive_best(cost: NDArray[np.float32], index: NDArray[np.int64]) -> None:  # pragma: no cover - compiled
    """D[i, j] = d(i, j) + min over k <= j of D[i-1, k], every minimum anew: O(N M^2)."""
    batch, frames, positions = cost.shape
    for b in prange(batch):
        table = np.zeros((frames, positions))
        origin = np.zeros((frames, positions), np.int64)
        for i in range(frames):
            for j in range(positions):
                lowest, place = np.inf, 0
                for k in range(j + 1):
                    value = table[i - 1, k] if i > 0 else 0.0
                    if value < lowest:
                        lowest, place = value, k
                table[i, j] = cost[b, i, j] + lowest
                origin[i, j] = place
        position = 0
        for j in range(positions):
            if table[frames - 1, j] < table[frames - 1, position]:
                position = j
        for i in range(frames - 1, -1, -1):
            index[b, i] = position
            position = origin[i, position]


def naive(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    """The naive form on a batch, with all threads."""
    index = np.zeros(cost.shape[:2], np.int64)
    naive_best(cost, index)
    return index


def _libraries(cost: NDArray[np.float32], *, compiling: bool) -> dict[str, Callable[[], object]]:
    """One call aligns the batch, utterance by utterance, as these libraries have it; those that are installed.

    Args:
        cost: (B, N, M).
        compiling: whether to take in tslearn, which compiles anew in each process for ten seconds.
    """
    found: dict[str, Callable[[], object]] = {}
    try:
        if compiling:
            from tslearn.metrics import dtw_path_from_metric

            found["tslearn"] = lambda: [dtw_path_from_metric(c, metric="precomputed") for c in cost]
    except ImportError:
        pass
    try:
        from librosa.sequence import dtw as librosa_dtw

        found["librosa"] = lambda: [librosa_dtw(C=c) for c in cost]
    except ImportError:
        pass
    try:
        from dtw import dtw as dtw_python

        wide = cost.astype(np.float64)
        found["dtw-python"] = lambda: [dtw_python(c) for c in wide]
    except ImportError:
        pass
    try:
        from dtaidistance import dtw as dtai

        frames = cost.shape[1]
        series = np.random.default_rng(1).random((len(cost), sum(cost.shape[1:])))
        found["dtaidistance (of 1-D series: it takes no costs)"] = lambda: [
            dtai.warping_path_fast(s[:frames], s[frames:]) for s in series
        ]
    except ImportError:
        pass
    return found


def run(report: Report, device: str, rounds: int, *, toy: bool) -> None:
    """The table of rivals, on precomputed float32 costs; the libraries always run on the CPU."""
    generator = np.random.default_rng(0)
    batch, frames, positions = shape = TOY_SHAPE if toy else SHAPE
    cost = generator.random(shape, dtype=np.float32)
    tensor = torch.from_numpy(cost).to(device)
    lengths = torch.full((batch,), frames), torch.full((batch,), positions)

    def one_thread() -> None:
        threads = numba.get_num_threads()
        numba.set_num_threads(1)
        align("best", tensor, *lengths)
        numba.set_num_threads(threads)

    methods: dict[str, Callable[[], object]] = {
        "jointst best": lambda: align("best", tensor, *lengths),
        "jointst dtw": lambda: align("dtw", tensor, *lengths),
        "naive O(N M^2) in numba": lambda: naive(cost),
        **_libraries(cost, compiling=not toy),
    }
    if device == "cpu":
        methods["jointst best, 1 thread"] = one_thread
    same = np.array_equal(naive(cost), align("best", tensor, *lengths).index.cpu().numpy())
    times = time_rounds(methods, rounds, device)
    own = median(times["jointst best"])
    rows = [[name, milliseconds(t), f"{1e3 * min(t):.3g}", f"{median(t) / own:.3g}"] for name, t in times.items()]
    title = f"Alignments of {batch} utterances of {frames} x {positions} precomputed float32 costs"
    note = f"best and the naive form give the same paths: {same}. The libraries' DTW works through the batch in a loop."
    report.table(title, ["method", "median ms", "least ms", "times best"], rows, note)
    for name, least in (("tslearn", 8), ("librosa", 20), ("naive O(N M^2) in numba", 25)):
        if name in times:
            report.hold(f"speed of best over {name}", median(times[name]) / own, least=least)

"""Hard monotone alignments by dynamic programming: ``best``, ``mas``, ``dtw``.

K layers or other leading dimensions, B batch, N speech positions, M text positions. All are functions of values: no
gradient flows through them. Ties go to the lowest text position, decided from the last frame backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from jointst.common.errors import JointstError
from jointst.ops.alignment.checks import check_lengths, check_paths, check_shapes
from jointst.ops.alignment.result import Alignment
from jointst.ops.kernels import dispatch


def check_band(band: int | None) -> None:
    """Refuse bands that are no whole number of text positions, or below 1."""
    if band is not None and not (isinstance(band, int) and not isinstance(band, bool) and band >= 1):
        raise JointstError(f"band is {band!r}: give a whole number of text positions, at least 1, or None for no band")


@dataclass(frozen=True, kw_only=True)
class BestOptions:
    """Options of ``best``."""

    ends: Literal["free", "pinned"] = "free"
    """Pinned: the first frame takes the first text position, the last frame the last."""
    band: int | None = None
    """Text positions that a frame may be off the diagonal; None for any."""

    def __post_init__(self) -> None:
        check_band(self.band)
        if self.ends not in ("free", "pinned"):
            raise JointstError(f"ends is {self.ends!r}: give free or pinned")


@dataclass(frozen=True, kw_only=True)
class MasOptions:
    """Options of ``mas``."""

    max_step: int = 1
    """Text positions from one frame to the next at most; with 1 every position is used. 0 takes for each utterance the
    least with which it has a path: more text than frames is no error then, but positions are skipped."""
    band: int | None = None
    """Text positions that a frame may be off the diagonal; None for any."""

    def __post_init__(self) -> None:
        check_band(self.band)
        if not isinstance(self.max_step, int) or isinstance(self.max_step, bool) or self.max_step < 0:
            raise JointstError(f"max_step is {self.max_step!r}: give a whole number, 0 for as few as needed")


@dataclass(frozen=True, kw_only=True)
class DtwOptions:
    """Options of ``dtw``."""

    band: int | None = None
    """Text positions that a frame may be off the diagonal; None for any."""

    def __post_init__(self) -> None:
        check_band(self.band)


def _prepare(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, check: bool) -> Tensor:
    """The cost as (P, N, M), after the checks."""
    (check_lengths if check else check_shapes)(cost, speech_lengths, text_lengths)
    return cost.reshape(-1, *cost.shape[-2:])


def _total(total: Tensor, cost: Tensor) -> Tensor:
    """(P,) float64 to (..., B), float32 for half precision: sums over many frames leave its range."""
    wide = cost.dtype if cost.dtype == torch.float64 else torch.float32
    return total.to(wide).view(cost.shape[:-2])


def best(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: BestOptions, check: bool = True
) -> Alignment:
    """The monotone map of least cost: argmin over a(i) >= a(i-1) of sum_i cost(i, a(i)) (arXiv 2308.06125).

    Each frame may stay or jump forward any distance; text positions may stay unused. O(N M) through a running
    minimum, where the paper states O(N M^2).

    Args:
        cost: (..., B, N, M) float. Entries outside the lengths are never read; NaN inside counts as inf.
        speech_lengths: (B,) int64, each at least 1.
        text_lengths: (B,) int64, each at least 1.
        options: ends and band.
        check: refuse lengths that do not fit and utterances without a path; reads values on the host.

    Raises:
        AlignmentError: names the utterance's index and its lengths.
    """
    problems = _prepare(cost, speech_lengths, text_lengths, check)
    band = -1 if options.band is None else options.band
    index, total = dispatch.best_paths(problems, speech_lengths, text_lengths, options.ends == "pinned", band)
    result = Alignment(index=index.view(cost.shape[:-1]), total=_total(total, cost))
    if check:
        rule = "pinned ends need two frames for two positions" if options.ends == "pinned" else "widen the band"
        check_paths(result.total, speech_lengths, text_lengths, rule)
    return result


def mas(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: MasOptions, check: bool = True
) -> Alignment:
    """Monotonic alignment search (Glow-TTS, arXiv 2005.11129, section 3.3): from the first text position to the last.

    Each frame stays or advances, by at most ``max_step``. Of equal predecessors the lowest position is taken.

    Args:
        cost: (..., B, N, M) float. Entries outside the lengths are never read.
        speech_lengths: (B,) int64.
        text_lengths: (B,) int64; with ``max_step`` s at most 1 + (N - 1) s.
        options: longest step and band.
        check: refuse lengths that do not fit and utterances without a path; reads values on the host.

    Raises:
        AlignmentError: names the utterance's index and its lengths.
    """
    problems = _prepare(cost, speech_lengths, text_lengths, check)
    band = -1 if options.band is None else options.band
    index, total = dispatch.mas_paths(problems, speech_lengths, text_lengths, options.max_step, band)
    result = Alignment(index=index.view(cost.shape[:-1]), total=_total(total, cost))
    if check:
        rule = (
            f"mas with max_step {options.max_step} and band {options.band} must reach the last text position; "
            "upsample text less, or set max_step 0 for as long steps as are needed"
        )
        check_paths(result.total, speech_lengths, text_lengths, rule)
    return result


def dtw(
    cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, options: DtwOptions, check: bool = True
) -> Alignment:
    """Dynamic time warping from corner to corner; each move advances speech, text, or both by one.

    Every frame and every text position is used. Of equal moves into a pair: both, then text alone, then speech alone.

    Args:
        cost: (..., B, N, M) float. Entries outside the lengths are never read.
        speech_lengths: (B,) int64.
        text_lengths: (B,) int64.
        options: band.
        check: refuse lengths that do not fit and utterances without a path; reads values on the host.

    Raises:
        AlignmentError: names the utterance's index and its lengths.
    """
    problems = _prepare(cost, speech_lengths, text_lengths, check)
    band = -1 if options.band is None else options.band
    first, index, total = dispatch.dtw_paths(problems, speech_lengths, text_lengths, band)
    shape = cost.shape[:-1]
    result = Alignment(first=first.view(shape), index=index.view(shape), total=_total(total, cost))
    if check:
        rule = f"dtw with band {options.band} must lead from corner to corner; widen the band"
        check_paths(result.total, speech_lengths, text_lengths, rule)
    return result


def best_alignment(cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The paper's alignment, :func:`best` with its defaults.

    Args:
        cost: (B, N, M) float, or with leading dimensions for layers.
        speech_lengths: (B,) int64, each at least 1.
        text_lengths: (B,) int64, each at least 1.

    Returns:
        index (B, N) int64, 0 in padding, ties to the lowest position; total (B,), float64 for a float64 cost, else
        float32.

    Raises:
        AlignmentError: lengths that do not fit, or no path of finite cost.
    """
    result = best(cost, speech_lengths, text_lengths, BestOptions())
    assert result.index is not None
    return result.index, result.total

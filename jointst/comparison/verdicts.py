"""The rules by which what stored comparisons say of a claim becomes a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from jointst.comparison.evidence import FLOOR, Change, Picture, Share, picture_of
from jointst.comparison.tables import percent
from jointst.scoring.significance import holm

Verdict = Literal["confirmed", "not confirmed", "cannot tell", "not measured"]

SEEDS = 3
"""Fewer seeds of a system than this tell nothing."""
LEVEL = 0.05
"""P values below this are significant."""
MARGIN = 0.05
"""A relative change smaller than this counts as none."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of a claim.

    Attributes:
        verdict: in plain words.
        reason: why, in one sentence.
        measured: a line for each measurement.
        picture: the measurements to be drawn, where there are any.
    """

    verdict: Verdict
    reason: str
    measured: tuple[str, ...] = ()
    picture: Picture | None = None


def _weakness(measured: Sequence[Change] | Sequence[Share]) -> str:
    """Why measurements cannot carry a verdict, or nothing."""
    if min(item.seeds for item in measured) < SEEDS:
        return f"fewer than {SEEDS} seeds"
    if any(item.lost for item in measured):
        return "trainings have failed or are left"
    missing = {"updates": "equal updates", "time": "equal training time"}
    for item in measured:
        missing.pop(item.control, None)
    return f"not measured at {' or '.join(missing.values())}" if missing else ""


def judge_lower(measured: Sequence[Change]) -> Finding:
    """Is the error rate lower?

    Confirmed: in every measurement the interval is below 0, and the test, adjusted for their number (Holm), is below
    :data:`LEVEL`. Not confirmed: in none, and either one shows significantly more errors, or all intervals exclude a
    change beyond :data:`MARGIN`. Otherwise, with few seeds, trainings that failed, or under one control alone: cannot
    tell. Measurements that are no evidence of their own (:attr:`Change.counts`) are shown and not counted.
    """
    return replace(_lower(measured), measured=tuple(item.line for item in measured), picture=picture_of(measured))


def _lower(measured: Sequence[Change]) -> Finding:
    """Verdict and reason of :func:`judge_lower`."""
    if not measured:
        return Finding(verdict="not measured", reason="no stored comparison has both systems")
    weak = _weakness(measured)
    if weak:
        return Finding(verdict="cannot tell", reason=weak)
    measured = [item for item in measured if item.counts]
    if not measured:
        reason = f"every error rate is above {percent(FLOOR)} %"
        return Finding(verdict="cannot tell", reason=reason)
    adjusted = holm([item.p for item in measured])
    better = [i.interval is not None and i.interval[1] < 0 and p < LEVEL for i, p in zip(measured, adjusted)]
    worse = [i.interval is not None and i.interval[0] > 0 and p < LEVEL for i, p in zip(measured, adjusted)]
    if all(better):
        return Finding(verdict="confirmed", reason="fewer errors in every measurement")
    if any(better):
        reason = f"fewer errors in {sum(better)} of {len(better)} measurements"
        return Finding(verdict="cannot tell", reason=reason)
    if any(worse):
        reason = f"more errors in {sum(worse)} of {len(worse)} measurements, fewer in none"
        return Finding(verdict="not confirmed", reason=reason)
    if all(item.interval is not None and item.interval[0] > -MARGIN for item in measured):
        reason = f"every interval excludes a gain of {percent(MARGIN)} % relative"
        return Finding(verdict="not confirmed", reason=reason)
    return Finding(verdict="cannot tell", reason="no measurement excludes chance")


def judge_gain(measured: Sequence[Change], target: float) -> Finding:
    """Is the relative gain at least ``target``, by the intervals of all measurements?"""
    lowered = [(item, None if item.interval is None else (-item.interval[1], -item.interval[0])) for item in measured]
    found = _judge_level([(item, ends) for item, ends in lowered], target, "gain")
    return replace(found, picture=picture_of(measured, -100 * target))


def judge_share(measured: Sequence[Share], target: float) -> Finding:
    """Is the recall at least ``target``, by the intervals of all measurements?"""
    found = _judge_level([(item, item.interval) for item in measured], target, "recall")
    if not measured:
        return found
    marks = tuple(item.mark for item in measured)
    picture = Picture(axis="words never heard that are recognised, %", at=100 * target, marks=marks)
    return replace(found, picture=picture)


def _judge_level(
    measured: Sequence[tuple[Change, tuple[float, float] | None]] | Sequence[tuple[Share, tuple[float, float] | None]],
    target: float,
    what: str,
) -> Finding:
    if not measured:
        return Finding(verdict="not measured", reason="no stored comparison has it")
    items: list[Any] = [item for item, _ in measured]
    lines = tuple(item.line for item in items)
    weak = _weakness(items)
    if weak:
        return Finding(verdict="cannot tell", reason=weak, measured=lines)
    goal = f"{what} of {percent(target)} %"
    above = [ends is not None and ends[0] >= target for _, ends in measured]
    below = [ends is not None and ends[1] < target for _, ends in measured]
    if all(above):
        return Finding(verdict="confirmed", reason=f"every interval is above a {goal}", measured=lines)
    if any(below):
        reason = f"{sum(below)} of {len(below)} intervals are below a {goal}"
        return Finding(verdict="not confirmed", reason=reason, measured=lines)
    return Finding(verdict="cannot tell", reason=f"intervals hold a {goal}", measured=lines)


def judge_seeds(
    holds: Mapping[str, Sequence[bool]],
    lines: Sequence[str],
    picture: Picture,
    *,
    missing: str = "no stored comparison has layers (jointst compare --align)",
) -> Finding:
    """Does something hold in trained models? Confirmed: in every seed; not confirmed: in none somewhere.

    Args:
        holds: where, to an answer for each seed.
        lines: what was measured.
        picture: the same to be drawn.
        missing: why there is nothing to judge, if there is nothing.
    """
    if not holds:
        return Finding(verdict="not measured", reason=missing)
    return replace(_in_seeds(holds), measured=tuple(lines), picture=picture)


def _in_seeds(holds: Mapping[str, Sequence[bool]]) -> Finding:
    """Verdict and reason of :func:`judge_seeds`."""
    if min(len(own) for own in holds.values()) < SEEDS:
        return Finding(verdict="cannot tell", reason=f"fewer than {SEEDS} seeds")
    if all(all(own) for own in holds.values()):
        return Finding(verdict="confirmed", reason="it holds in every seed")
    if any(not any(own) for own in holds.values()):
        never = ", ".join(where for where, own in holds.items() if not any(own))
        return Finding(verdict="not confirmed", reason=f"it holds in no seed of {never}")
    return Finding(verdict="cannot tell", reason="it holds in some seeds")

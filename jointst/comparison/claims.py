"""The claims of the paper's summary (arXiv 2308.06125), of JOIST (arXiv 2210.07353), and our own goals, each with its
judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

from jointst.comparison.collect import TEXT_ONLY
from jointst.comparison.evidence import Change, Mark, Picture, Stored, changes, picture_of, recalls
from jointst.comparison.tables import nearness, percent
from jointst.comparison.verdicts import SEEDS, Finding, judge_gain, judge_lower, judge_seeds, judge_share

JOIST_GAIN = 0.14
"""JOIST's best relative gain from text injection (arXiv 2210.07353)."""
RECALL = 0.4
"""Our goal: share of the words never heard that are recognised."""
PAPER_COST = 1.5
"""The paper's training time with the loss, relative to without."""
OVER_MISMATCHED = "distance of true pairs over that of mismatched ones"
DISTANCE = "distance of true pairs under the best alignment, over another"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim and how it is judged.

    Attributes:
        key: its anchor.
        source: who claims it.
        says: the claim, in our words.
        judge: what stored comparisons say of it.
    """

    key: str
    source: str
    says: str
    judge: Callable[[Stored], Finding]


def _unheard(name: str) -> bool:
    return "unheard" in name


def _any(name: str) -> bool:
    return True


def _lower(system: str, other: str, fits: Callable[[str], bool] = _any) -> Callable[[Stored], Finding]:
    return lambda stored: judge_lower(changes(stored, system, other, fits))


def _rivals(stored: Stored, systems: tuple[str, ...]) -> list[Change]:
    """Best alignment against each of some systems."""
    return [change for other in systems for change in changes(stored, "best", other)]


def _languages(summary: Mapping[str, Any]) -> int:
    codes = {
        code
        for found in summary["controls"].values()
        for own in found["tables"]
        for row in own["systems"].values()
        for code in row["rates"]
    }
    return len(codes - {"macro", "pooled"})


def _multilingual(stored: Stored) -> Finding:
    """Gains of recipes with several languages against those with one."""
    groups = {
        several: changes([s for s in stored if (_languages(s) > 1) == several], "best", "joist")
        for several in (True, False)
    }
    if not groups[True] or not groups[False]:
        return Finding(
            verdict="not measured", reason="best and joist are not stored for both one and several languages"
        )
    every = [item for group in groups.values() for item in group]
    lines = tuple(item.line for item in every)
    return replace(_many_against_one(groups), measured=lines, picture=picture_of(every))


def _many_against_one(groups: Mapping[bool, list[Change]]) -> Finding:
    """Verdict and reason of :func:`_multilingual`."""
    if min(item.seeds for group in groups.values() for item in group) < SEEDS:
        return Finding(verdict="cannot tell", reason=f"fewer than {SEEDS} seeds")
    if any(item.lost for group in groups.values() for item in group):
        return Finding(verdict="cannot tell", reason="trainings have failed or are left")
    many, one = (
        [item.interval for item in groups[key] if item.counts and item.interval is not None] for key in (True, False)
    )
    if many and one and max(ends[1] for ends in many) < min(ends[0] for ends in one):
        reason = "every interval with several languages is below every one with one"
        return Finding(verdict="confirmed", reason=reason)
    if many and one and min(ends[0] for ends in many) > max(ends[1] for ends in one):
        reason = "every interval with several languages is above every one with one"
        return Finding(verdict="not confirmed", reason=reason)
    return Finding(verdict="cannot tell", reason="the intervals overlap")


def _cost(stored: Stored) -> Finding:
    """Seconds of an update with the loss, relative to one of joist; both measured in turns on one machine."""
    ratios = {}
    for summary in stored:
        paces = summary.get("paces", {})
        if "consistency" in paces.get("best", {}) and "joist" in paces:
            where = f"{summary['recipe']}/{summary['name']}"
            ratios[where] = paces["best"]["consistency"] / paces["joist"]["joint"]
    lines = tuple(f"{where}: an update takes {ratio:.2f} x the time" for where, ratio in ratios.items())
    if not ratios:
        missing = "no stored comparison has timed both systems (jointst compare --controls updates time)"
        return Finding(verdict="not measured", reason=missing)
    marks = tuple(Mark(label=where, value=ratio) for where, ratio in ratios.items())
    picture = Picture(axis="time of an update, with the loss over without", at=PAPER_COST, marks=marks)
    if all(ratio < PAPER_COST for ratio in ratios.values()):
        reason = f"below {PAPER_COST} in every comparison"
        return Finding(verdict="confirmed", reason=reason, measured=lines, picture=picture)
    reason = f"{PAPER_COST} or more in a comparison"
    return Finding(verdict="not confirmed", reason=reason, measured=lines, picture=picture)


def _layers(stored: Stored, system: str) -> Iterator[tuple[str, list[list[dict[str, Any]]]]]:
    """Where, and the layers of every seed at equal updates."""
    for summary in stored:
        seeds = summary["controls"].get("updates", {}).get("layers", {}).get(system, [])
        if seeds:
            yield f"{summary['recipe']}/{summary['name']}, {system}", seeds


def _natural(stored: Stored) -> Finding:
    """In joist, are true pairs nearer than mismatched ones, and further below their frame-wise distance than before?

    Below it they are anyhow: the frame-wise alignment is among those of which the best one is the best.
    """
    holds, lines, marks = {}, [], []
    for where, seeds in _layers(stored, "joist"):
        holds[where] = [all(_agrees(layer) for layer in seed) for seed in seeds]
        near = mean(nearness(layer) for seed in seeds for layer in seed)
        frame = mean(_below_framewise(layer) for seed in seeds for layer in seed)
        before = [_below_framewise(layer["before"]) for seed in seeds for layer in seed if layer.get("before")]
        line = f"{where}: best alignment {near:.2f} x mismatched pairs, {frame:.2f} x frame-wise"
        line += f" (before training {mean(before):.2f})" if before else ""
        lines.append(f"{line}, {len(seeds)} seeds")
        marks += [Mark(label=f"{where}: over mismatched pairs", value=near)]
        marks += [Mark(label=f"{where}: over frame by frame", value=frame)]
        marks += [Mark(label=f"{where}: the same before training", value=mean(before))] if before else []
    return judge_seeds(holds, lines, Picture(axis=DISTANCE, at=1.0, marks=tuple(marks)))


def _below_framewise(layer: Mapping[str, Any]) -> float:
    return float(layer["best"] / layer["framewise"])


def _agrees(layer: Mapping[str, Any]) -> bool:
    learnt = not layer.get("before") or _below_framewise(layer) < _below_framewise(layer["before"])
    return bool(layer["best"] < layer["mismatched"]) and learnt


def _depth(stored: Stored) -> Finding:
    """In best, is the deeper half of the shared layers nearer than the shallower half?"""
    holds, lines, marks = {}, [], []
    for where, seeds in _layers(stored, "best"):
        ratios = [[nearness(layer) for layer in seed] for seed in seeds]
        holds[where] = [mean(own[-(len(own) // 2) :]) < mean(own[: len(own) // 2]) for own in ratios if len(own) > 1]
        shown = ", ".join(f"{mean(own):.2f}" for own in zip(*ratios))
        marks += [Mark(label=f"{where}, layer {n + 1}", value=mean(own)) for n, own in enumerate(zip(*ratios))]
        line = f"{where}: true over mismatched distance, layer by layer: {shown}; {len(seeds)} seeds"
        before = [[nearness(layer["before"]) for layer in seed if layer.get("before")] for seed in seeds]
        if all(before):
            line += f"; before training: {', '.join(f'{mean(own):.2f}' for own in zip(*before))}"
        timed = [[layer["median_ms"]["best"] for layer in seed if layer.get("median_ms")] for seed in seeds]
        if all(timed):
            line += f"; the alignment's times are off by {', '.join(f'{mean(own):.0f}' for own in zip(*timed))} ms"
        lines.append(line)
    picture = Picture(axis=OVER_MISMATCHED, at=1.0, marks=tuple(marks))
    return judge_seeds({where: own for where, own in holds.items() if own}, lines, picture)


def _nearer(stored: Stored) -> Finding:
    """Are speech and text nearer in best than in joist?"""
    holds, lines, marks = {}, [], []
    joist = {where.rpartition(",")[0]: seeds for where, seeds in _layers(stored, "joist")}
    for where, seeds in _layers(stored, "best"):
        others = joist.get(where.rpartition(",")[0])
        if others:
            without = mean(nearness(layer) for seed in others for layer in seed)
            own = [mean(nearness(layer) for layer in seed) for seed in seeds]
            holds[where] = [value < without for value in own]
            lines.append(f"{where}: true over mismatched distance {mean(own):.2f}, in joist {without:.2f}")
            marks += [Mark(label=where, value=mean(own)), Mark(label=f"{where}: joist", value=without)]
    return judge_seeds(holds, lines, Picture(axis=OVER_MISMATCHED, at=1.0, marks=tuple(marks)))


def _transfer(stored: Stored) -> Finding:
    """In a language without training speech, is joist with its text better than paired?"""
    held_out = sorted({name.partition("+")[2] for s in stored for name in s["grid"]["systems"] if "+" in name})
    measured = [
        change
        for single in held_out
        for change in changes(stored, f"joist+{single}", f"paired+{single}", part=TEXT_ONLY)
    ]
    return judge_lower(measured)


def _voices(stored: Stored) -> Finding:
    """Are speakers harder to tell from the shared layers in best than in joist?"""
    holds, lines, marks = {}, [], []
    for summary in stored:
        probes = summary["controls"].get("updates", {}).get("probes", {})
        if not all("speaker" in seed for name in ("best", "joist") for seed in probes.get(name, [{}])):
            continue
        accuracy = {
            name: [mean(_shared(seed["speaker"]["accuracy"])) for seed in probes[name]] for name in ("best", "joist")
        }
        where = f"{summary['recipe']}/{summary['name']}"
        without = mean(accuracy["joist"])
        holds[where] = [value < without for value in accuracy["best"]]
        shown = f"{percent(mean(accuracy['best']))} % with the loss, {percent(without)} % without"
        lines.append(f"{where}: speakers told apart from shared layers: {shown}; {len(holds[where])} seeds")
        marks += [Mark(label=f"{where}, {name}", value=100 * mean(accuracy[name])) for name in ("joist", "best")]
    picture = Picture(axis="speakers told apart from shared layers, %", at=None, marks=tuple(marks))
    missing = "no stored comparison has probes of both (jointst compare --probe)"
    return judge_seeds(holds, lines, picture, missing=missing)


def _shared(accuracy: Mapping[str, float]) -> list[float]:
    return [value for layer, value in accuracy.items() if layer.startswith(("streaming", "shared", "full-context"))]


def _unheard_gain(stored: Stored) -> Finding:
    return judge_gain(changes(stored, "joist", "paired", _unheard), JOIST_GAIN)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        key="injection",
        source="JOIST",
        says="Text injection lowers the error rate against paired speech alone.",
        judge=_lower("joist", "paired"),
    ),
    Claim(
        key="unheard",
        source="our goal",
        says=f"It does so by {percent(JOIST_GAIN)} % relative or more where words occur in unpaired text only.",
        judge=_unheard_gain,
    ),
    Claim(
        key="recall",
        source="our goal",
        says=f"With text injection, {percent(RECALL)} % or more of the words never heard are recognised.",
        judge=lambda stored: judge_share(recalls(stored, ("joist", "best"), _unheard), RECALL),
    ),
    Claim(
        key="natural",
        source="the paper",
        says="A joint encoder learns representations that agree between speech and text by itself, once length is "
        "disregarded: under the best alignment, true pairs are nearer than mismatched ones, and further below their "
        "frame-wise distance than before training.",
        judge=_natural,
    ),
    Claim(
        key="consistency",
        source="the paper",
        says="The best-alignment consistency loss lowers the error rate against text injection alone.",
        judge=_lower("best", "joist"),
    ),
    Claim(
        key="one_sided",
        source="our question",
        says="A consistency loss that trains the text side alone (best+stop_speech) lowers the error rate against text "
        "injection alone.",
        judge=_lower("best+stop_speech", "joist"),
    ),
    Claim(
        key="multilingual",
        source="the paper",
        says="The consistency loss helps more in many languages with little paired data than in one.",
        judge=_multilingual,
    ),
    Claim(
        key="rivals",
        source="the paper",
        says="Best alignment beats frame-wise and random alignment in the loss.",
        judge=lambda stored: judge_lower(_rivals(stored, ("framewise", "random"))),
    ),
    Claim(
        key="nearer",
        source="the paper",
        says="The loss brings speech and text nearer to each other.",
        judge=_nearer,
    ),
    Claim(
        key="depth",
        source="the paper",
        says="Deeper shared layers align better: true pairs are nearer there, relative to mismatched ones.",
        judge=_depth,
    ),
    Claim(
        key="voices",
        source="our question",
        says="The loss costs what is specific to speech: speakers are harder to tell from the shared layers.",
        judge=_voices,
    ),
    Claim(
        key="cost",
        source="the paper",
        says=f"The loss costs training time ({PAPER_COST} x in the paper); ours costs less.",
        judge=_cost,
    ),
    Claim(
        key="explicit",
        source="the paper",
        says="No aligner is needed: best alignment is better than an explicit alignment with a duration model.",
        judge=lambda stored: judge_lower(_rivals(stored, ("forced",))),
    ),
    Claim(
        key="coverage",
        source="our question",
        says="An alignment that uses every text position (mas) is better than best alignment.",
        judge=_lower("mas", "best"),
    ),
    Claim(
        key="soft_dtw",
        source="open question",
        says="A soft alignment (soft-DTW) is better than best alignment.",
        judge=_lower("soft_dtw", "best"),
    ),
    Claim(
        key="sinkhorn",
        source="open question",
        says="Optimal transport (Sinkhorn) is better than best alignment.",
        judge=_lower("sinkhorn", "best"),
    ),
    Claim(
        key="transfer",
        source="our question",
        says="A language without any paired speech is recognised better where its text is injected.",
        judge=_transfer,
    ),
    Claim(
        key="self_training",
        source="our question",
        says="Self-training on unpaired speech lowers the error rate further.",
        judge=_lower("best+self_training", "best"),
    ),
)
"""In the order of RESULTS.md."""

"""Beam search, all hypotheses of all utterances together.

B batch, K hypotheses of an utterance, C candidates to follow them, T positions, V labels with the blank, J joint
features, N steps.

The search is synchronous in alignment length (Saon and others, "Alignment-length synchronous decoding for RNN
transducer", ICASSP 2020): after n steps each hypothesis has taken n blanks and labels together. Hypotheses of the same
labels are then at the same position and are merged by adding their probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jointst.decoding.fusion import Fusion
from jointst.decoding.hypothesis import Hypothesis
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.predictor import BLANK

NOTHING = float("-inf")
"""Score of an empty place in a beam."""
_FACTOR = 6364136223846793005
"""Multiplier of the label hashes, which wrap at 64 bits."""


@dataclass(kw_only=True)
class _Beam:
    """Hypotheses under way. While the greedy path of an utterance is under way, it is hypothesis 0.

    Attributes:
        score: (B, K) float64, so that sums keep the order of single float32 scores.
        position: (B, K).
        emitted_here: (B, K) labels emitted at the position.
        last: (B, K) last label, BLANK before the first.
        hashes: (B, K) of the labels so far.
        predictor: (B K, ...) state.
        lm: (B K, ...) state.
        phrase: (B K,) state in the tree of phrases; (B K, 0) without phrases.
        on_greedy: (B,) whether the greedy path is under way.
    """

    score: Tensor
    position: Tensor
    emitted_here: Tensor
    last: Tensor
    hashes: Tensor
    predictor: Tensor
    lm: Tensor
    phrase: Tensor
    on_greedy: Tensor


@dataclass(frozen=True, kw_only=True)
class _Candidates:
    """What may follow: the blank of each hypothesis first, then each one's best labels.

    Attributes:
        score: (B, C) float64.
        parent: (B, C) hypothesis before.
        label: (B, C), BLANK for a blank.
        greedy: (B,) the candidate that the greedy path takes.
    """

    score: Tensor
    parent: Tensor
    label: Tensor
    greedy: Tensor


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One step, for the way back: (B, K) each."""

    parent: Tensor
    label: Tensor
    position: Tensor
    log_prob: Tensor


class _Finished:
    """The best finished hypotheses, (B, K): score, and the step and place where the way back begins."""

    def __init__(self, empty: Tensor, width: int) -> None:
        self.score = torch.full((len(empty), width), NOTHING, dtype=torch.float64, device=empty.device)
        self.score[:, 0] = torch.where(empty, 0.0, NOTHING)
        self.step = torch.full((len(empty), width), -1, device=empty.device)
        self.place = torch.zeros_like(self.step)

    def add(self, score: Tensor, step: int) -> None:
        """Add what finished in a step, (B, K), NOTHING where nothing did."""
        width = score.shape[1]
        self.score, kept = torch.cat([self.score, score], dim=1).topk(width, dim=1)
        places = torch.arange(width, device=score.device).expand_as(self.place)
        self.place = torch.cat([self.place, places], dim=1).gather(1, kept)
        self.step = torch.cat([self.step, torch.full_like(self.step, step)], dim=1).gather(1, kept)


@torch.inference_mode()
def beam_search(
    decoder: TransducerDecoder,
    encoded: Tensor,
    lengths: Tensor,
    *,
    width: int,
    nbest: int,
    max_labels_per_position: int,
    fusion: Fusion | None = None,
) -> list[list[Hypothesis]]:
    """The best label sequences, by the summed probability of their alignments that were found.

    The greedy path (blank against best label at every step) always keeps a place, so that no beam scores below it and
    width 1 is greedy search. An emission stands where the likelier of two merged hypotheses had it.

    Args:
        decoder: predictor and joiner.
        encoded: (B, T, D).
        lengths: (B,) valid positions.
        width: K.
        nbest: hypotheses to return for an utterance, at most ``width``.
        max_labels_per_position: after so many labels at a position, only the blank may follow.
        fusion: language models and phrases to add.

    Returns:
        For each utterance up to ``nbest`` hypotheses with different labels, the best first.
    """
    fusion = fusion or Fusion()
    batch = len(encoded)
    projected = decoder.joiner.project_encoder(encoded)  # (B, T, J)
    rows = torch.arange(batch, device=encoded.device)[:, None]
    finished = _Finished(lengths == 0, width)
    beam = _start(decoder, fusion, lengths, width)
    steps: list[_Step] = []
    while bool((beam.score > NOTHING).any()):
        predicted = decoder.joiner.project_predictor(decoder.predictor.output(beam.predictor))  # (B K, J)
        here = projected[rows, beam.position]  # (B, K, J)
        log_blank, log_labels = decoder.joiner.log_probs(here, predicted.view_as(here))
        added = fusion.label_scores(decoder, beam.lm, predicted)
        fused = log_labels if added is None else log_labels + added.view_as(log_labels)
        fused = fused.masked_fill((beam.emitted_here >= max_labels_per_position)[..., None], NOTHING)
        decisive = None
        if fusion.phrases is not None:
            decisive = fused[:, 0] + fusion.phrases.gains(beam.phrase.view_as(beam.last)[:, 0])
            fused = fused + fusion.phrases.scores(beam.phrase).view_as(fused)
        candidates = _follow(beam, log_blank, fused, decisive)
        steps.append(_advance(beam, candidates, log_labels))
        _step_models(beam, steps[-1], decoder, fusion)
        _finish(beam, finished, fusion, lengths, len(steps) - 1)
    return _collect(steps, finished, nbest)


def _start(decoder: TransducerDecoder, fusion: Fusion, lengths: Tensor, width: int) -> _Beam:
    device, batch = lengths.device, len(lengths)
    score = torch.full((batch, width), NOTHING, dtype=torch.float64, device=device)
    score[:, 0] = torch.where(lengths > 0, 0.0, NOTHING)
    zeros = torch.zeros(batch, width, dtype=torch.int64, device=device)
    return _Beam(
        score=score,
        position=zeros,
        emitted_here=zeros,
        last=torch.full_like(zeros, BLANK),
        hashes=zeros,
        predictor=decoder.predictor.initial_state(batch * width, device),
        lm=fusion.initial_state(batch * width, device),
        phrase=fusion.initial_phrase(batch * width, device),
        on_greedy=lengths > 0,
    )


def _follow(beam: _Beam, log_blank: Tensor, fused: Tensor, decisive: Tensor | None) -> _Candidates:
    """All candidates, hypotheses of the same labels merged.

    The labels y at one position are reached from y by the blank and from y without its last label by that label, and
    in no third way. Both are put where y's blank stands.

    Args:
        beam: hypotheses.
        log_blank: (B, K).
        fused: (B, K, V-1) scores of labels.
        decisive: (B, V-1) by which the greedy path chooses, if not by those of hypothesis 0: what a phrase takes
            back where it is left counts for whole sequences.
    """
    batch, width = beam.score.shape
    rows, places = (torch.arange(count, device=beam.score.device) for count in (batch, width))
    best, best_label = (fused[:, 0] if decisive is None else decisive).max(-1)  # (B,)
    emits = best > log_blank[:, 0]
    on_blank = beam.score + log_blank
    parent = places.repeat(batch, 1)
    label = torch.full_like(parent, BLANK)
    greedy_label = torch.full_like(rows, width)  # the first candidate with a label is hypothesis 0's best

    alive = beam.score > NOTHING
    extended = beam.hashes[:, None, :] * _FACTOR + beam.last[:, :, None] + 1
    same = (extended == beam.hashes[:, :, None]) & (beam.last > BLANK)[:, :, None]
    same &= (beam.position[:, None, :] == beam.position[:, :, None] + 1) & alive[:, None, :] & alive[:, :, None]
    row, longer, shorter = same.nonzero(as_tuple=True)
    if len(row) > 0:
        last = beam.last[row, longer]
        by_blank = on_blank[row, longer]
        by_label = beam.score[row, shorter] + fused[row, shorter, last - 1]
        is_greedy = beam.on_greedy[row] & emits[row] & (shorter == 0) & (best_label[row] + 1 == last)
        blank_is_greedy = beam.on_greedy[row] & ~emits[row] & (longer == 0)
        by_label_kept = (is_greedy | (by_label > by_blank)) & ~blank_is_greedy
        on_blank[row, longer] = torch.logaddexp(by_blank, by_label)
        parent[row, longer] = torch.where(by_label_kept, shorter, longer)
        label[row, longer] = torch.where(by_label_kept, last, BLANK)
        greedy_label[row[is_greedy]] = longer[is_greedy]
        fused = fused.index_put((row, shorter, last - 1), fused.new_tensor(NOTHING))

    top, top_label = fused.topk(min(width, fused.shape[-1]), dim=-1)  # (B, K, K')
    if decisive is not None:
        _put_first(top[:, 0], top_label[:, 0], fused[rows, 0, best_label], best_label)
    on_label = (beam.score[..., None] + top).flatten(1)
    return _Candidates(
        score=torch.cat([on_blank, on_label], dim=1),
        parent=torch.cat([parent, places[:, None].expand_as(top).flatten(1)], dim=1),
        label=torch.cat([label, (top_label + BLANK + 1).flatten(1)], dim=1),
        greedy=torch.where(emits, greedy_label, 0),
    )


def _put_first(top: Tensor, top_label: Tensor, score: Tensor, label: Tensor) -> None:
    """Make a label (B,) with its score (B,) the first of the best (B, K'), unless it is out; the last may go."""
    same = top_label == label[:, None]
    place = torch.where(same.any(1), same.int().argmax(1), same.shape[1] - 1)[:, None]
    there = (score > NOTHING)[:, None]
    for values, first in ((top, score), (top_label, label)):
        moved = values.scatter(1, place, values[:, :1])
        moved[:, 0] = first
        values.copy_(torch.where(there, moved, values))


def _advance(beam: _Beam, candidates: _Candidates, log_labels: Tensor) -> _Step:
    """Move the beam to its best K candidates, the greedy one first; scores, positions and hashes."""
    batch, width = beam.score.shape
    rows = torch.arange(batch, device=beam.score.device)
    keys = candidates.score.clone()
    keys[rows[beam.on_greedy], candidates.greedy[beam.on_greedy]] = float("inf")
    # Stable, and blanks stand first: equal scores go to the blank, as in greedy search.
    kept = keys.argsort(dim=1, descending=True, stable=True)[:, :width]
    parent, label = candidates.parent.gather(1, kept), candidates.label.gather(1, kept)
    emits = label != BLANK
    position = beam.position.gather(1, parent)
    log_prob = log_labels[rows[:, None], parent, (label - 1).clamp_min(0)]
    hashes = beam.hashes.gather(1, parent)
    beam.score = candidates.score.gather(1, kept)
    beam.position = position + ~emits
    beam.emitted_here = torch.where(emits, beam.emitted_here.gather(1, parent) + 1, 0)
    beam.last = torch.where(emits, label, beam.last.gather(1, parent))
    beam.hashes = torch.where(emits, hashes * _FACTOR + label + 1, hashes)
    return _Step(parent=parent, label=label, position=position, log_prob=log_prob)


def _step_models(beam: _Beam, step: _Step, decoder: TransducerDecoder, fusion: Fusion) -> None:
    """The states of predictor, language model and phrases after a step."""
    batch, width = step.parent.shape
    rows = (torch.arange(batch, device=step.parent.device)[:, None] * width + step.parent).flatten()
    label, emits = step.label.flatten(), (step.label != BLANK).flatten()
    beam.predictor = decoder.predictor.step(beam.predictor[rows], label, emits)
    beam.lm = fusion.step(beam.lm[rows], label, emits)
    beam.phrase = fusion.step_phrase(beam.phrase[rows], label, emits)


def _finish(beam: _Beam, finished: _Finished, fusion: Fusion, lengths: Tensor, step: int) -> None:
    """Take out the hypotheses that are at the end, and those that cannot come to score above a finished one kept."""
    done = (beam.position >= lengths[:, None]) & (beam.score > NOTHING)
    if bool(done.any()):
        score, ends = beam.score, fusion.end_scores(beam.lm, beam.phrase)
        if ends is not None:
            score = score + ends.view_as(score)
        finished.add(score.masked_fill(~done, NOTHING), step)
    beam.on_greedy = beam.on_greedy & ~done[:, 0]
    out = done
    if not fusion.may_raise:
        behind = beam.score <= finished.score[:, -1:]
        behind[:, 0] &= ~beam.on_greedy
        out = done | behind
    beam.score = beam.score.masked_fill(out, NOTHING)
    # Empty places stay inside the encoder's output.
    beam.position = torch.minimum(beam.position, (lengths[:, None] - 1).clamp_min(0))


def _collect(steps: list[_Step], finished: _Finished, nbest: int) -> list[list[Hypothesis]]:
    """Walk back from every finished hypothesis, then read its emissions in order."""
    scores = finished.score[:, :nbest].tolist()
    found = [[Hypothesis(score=score) for score in row if score > NOTHING] for row in scores]
    place = finished.place[:, :nbest]
    emissions: list[tuple[Tensor, Tensor, Tensor]] = []
    for n, step in reversed(list(enumerate(steps))):
        under_way = finished.step[:, :nbest] >= n
        label = torch.where(under_way, step.label.gather(1, place), BLANK)
        emissions.append((label, step.position.gather(1, place), step.log_prob.gather(1, place)))
        place = torch.where(under_way, step.parent.gather(1, place), place)
    if not emissions:
        return found
    columns = [torch.stack(column[::-1]).cpu() for column in zip(*emissions, strict=True)]  # (N, B, nbest) each
    emitted = columns[0] != BLANK
    values = [column[emitted].tolist() for column in columns]
    for (_, b, k), label, position, log_prob in zip(emitted.nonzero().tolist(), *values, strict=True):
        found[b][k].labels.append(label)
        found[b][k].positions.append(position)
        found[b][k].log_probs.append(log_prob)
    return found

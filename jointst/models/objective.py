"""What training minimises: the sum of all losses, with its named parts (the design's section 1).

B batch, N positions (of either side), U labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad

from jointst.common.units import positions_in
from jointst.config import Decoder, LossConfig
from jointst.data.batch import LABEL_PADDING, JointBatch, PairedBatch, TextBatch
from jointst.losses.consistency import ConsistencyLoss, ConsistencyResult
from jointst.losses.transducer import TransducerLosses, transducer_losses
from jointst.models.joint import Encoded, JointModel
from jointst.nn.text_encoder import position_durations
from jointst.ops.band import band_width
from jointst.ops.ctc import ctc_losses
from jointst.ops.zero_gradients import with_zeros

PADDING = {"cpu": 1.05, "cuda": 1.5}
"""Branches go through the shared encoders in one pass where that pads them to so many times the positions at most: on
a GPU launches cost more than padding, on a CPU padding does (tools/bench_training.py)."""
LAUNCHES = 2_000_000
"""But where positions are few and narrow, launches cost more on a CPU, too: what padding may add for each pass that it
saves, in positions times their squared width."""


@dataclass(frozen=True, kw_only=True)
class JointLoss:
    """A training loss and what it is made of.

    Attributes:
        total: the scalar to minimise.
        parts: unweighted scalars by name: ``speech_streaming``, ``text_full_context``, ``ctc``, ``consistency``,
            ``consistency/layer0``, ...; in a band, ``additive/speech_streaming`` (the additive joiner's loss) and
            ``outside/speech_streaming`` (the share of its paths that the band leaves out), ...
        speech: states of the speech branch, if it ran; for the collapse alarm.
        transcripts: states of the text branch on the first paired utterances, if it ran.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    speech: Encoded | None = None
    transcripts: Encoded | None = None


def consistency_weight(config: LossConfig, update: int) -> float:
    """The weight of the consistency loss at an update: 0, then a linear ramp, then ``weight``, and down again if it
    ends."""
    consistency = config.consistency
    since, ramp = update - consistency.start_update, max(1, consistency.ramp_updates)
    left = ramp if consistency.end_update is None else consistency.end_update - update
    return consistency.weight * max(0.0, min(1.0, (since + 1) / ramp, left / ramp))


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One kind of input on its way into the shared encoders: its name (``speech`` or ``text``), the output (B, N, D) of
    its own encoder with lengths (B,), its labels, and how many positions each utterance has at least."""

    name: str
    front: Tensor
    lengths: Tensor
    batch: PairedBatch | TextBatch
    positions: Sequence[int]


def joint_loss(model: JointModel, batch: JointBatch, config: LossConfig, update: int) -> JointLoss:
    """The loss of a batch at an update.

    Args:
        model: the joint model.
        batch: paired utterances, and texts.
        config: weights.
        update: counted from 0; CTC alone comes first, the consistency loss late.
    """
    paired = batch.paired
    front, lengths = model.encode_audio(paired.features, paired.feature_lengths)
    parts: dict[str, Tensor] = {}
    total = front.new_zeros(())
    if config.ctc > 0:
        spelt = model.config.ctc_target == "phones"
        target = (paired.phones, paired.phone_lengths) if spelt else (paired.labels, paired.label_lengths)
        parts["ctc"] = ctc_loss(model, front, lengths, *target)
        total = total + config.ctc * parts["ctc"]
    if update < config.ctc_only_updates:
        return JointLoss(total=total, parts=parts)
    positions = [positions_in(frames, model.config.rows_per_position) for frames in paired.frame_counts]
    branches = [Branch(name="speech", front=front, lengths=lengths, batch=paired, positions=positions)]
    if config.text > 0:
        branches += [text_branch(model, text) for text in batch.texts]
        if not batch.texts:  # those of another process may have some
            total = with_zeros(total, model.text_encoder.parameters())
    exact = update < config.ctc_only_updates + config.exact_updates
    encoded, total = branch_loss(model, branches, config, parts, total, exact=exact)
    if config.text > 0 and batch.transcripts is not None:
        weight = consistency_weight(config, update)
        if weight > 0:
            parts.update(consistency_parts(encoded[0], encoded[1], batch.transcripts, config))
            total = total + weight * parts["consistency"]
        return JointLoss(total=total, parts=parts, speech=encoded[0], transcripts=encoded[1])
    return JointLoss(total=total, parts=parts, speech=encoded[0])


def text_branch(model: JointModel, text: TextBatch) -> Branch:
    """A batch of texts through the text encoder."""
    front, lengths = model.text_encoder(text.phones, text.phone_lengths, text.durations)
    positions = [model.text_encoder.least_positions(count) for count in text.phone_counts]
    return Branch(name="text", front=front, lengths=lengths, batch=text, positions=positions)


def branch_loss(
    model: JointModel,
    branches: Sequence[Branch],
    config: LossConfig,
    parts: dict[str, Tensor],
    total: Tensor,
    *,
    exact: bool,
) -> tuple[list[Encoded], Tensor]:
    """The shared encoders and both decoders over all branches.

    Args:
        model: the joint model.
        branches: what enters the shared encoders.
        config: weights of speech, text, and the decoders.
        parts: named losses are put in here.
        total: a scalar, to which the losses are added.
        exact: whether the whole lattice is used in any case.

    Returns:
        States of each branch, and the sum.
    """
    encoded, losses = _shared(model, branches, config, exact=exact)
    weights = model.config.decoder_weights(config.streaming)
    for name, weight in (("speech", config.speech), ("text", config.text)):
        own = [found for branch, found in zip(branches, losses, strict=True) if branch.name == name]
        count = sum(sum(branch.batch.label_counts) for branch in branches if branch.name == name)
        if own:
            total = total + weight * _side(own, name, max(1, count), config, weights, parts)
    return encoded, total


def _passes(branches: Sequence[Branch], most: float) -> list[list[Branch]]:
    """Branches that go through the shared encoders together, in their order: all of them, unless that pads too much."""
    apart = sum(branch.front.shape[0] * branch.front.shape[1] for branch in branches)
    utterances, longest = (f(branch.front.shape[i] for branch in branches) for i, f in ((0, sum), (1, max)))
    added = utterances * longest - apart
    little = added * branches[0].front.shape[2] ** 2 <= LAUNCHES * (len(branches) - 1)
    return [list(branches)] if little or added <= (most - 1) * apart else [[branch] for branch in branches]


def _stacked(tensors: Sequence[Tensor], value: float = 0.0) -> Tensor:
    """(B, L, ...) of several batches, padded to the longest L, as one batch."""
    if len(tensors) == 1:
        return tensors[0]
    longest = max(tensor.shape[1] for tensor in tensors)
    filled = [pad(t, (0, 0) * (t.dim() - 2) + (0, longest - t.shape[1]), value=value) for t in tensors]
    return torch.cat(filled)


def _shared(
    model: JointModel, branches: Sequence[Branch], config: LossConfig, *, exact: bool
) -> tuple[list[Encoded], list[dict[Decoder, TransducerLosses]]]:
    """States of each branch, and the losses (B,) of each decoder on it."""
    encoded: list[Encoded] = []
    losses: list[dict[Decoder, TransducerLosses]] = []
    for together in _passes(branches, PADDING[branches[0].front.device.type]):
        languages = [language for branch in together for language in branch.batch.languages]
        lengths = torch.cat([branch.lengths for branch in together])
        states = model.encode_shared(_stacked([branch.front for branch in together]), lengths, languages)
        labels = _stacked([branch.batch.labels for branch in together], LABEL_PADDING)
        label_lengths = torch.cat([branch.batch.label_lengths for branch in together])
        positions = [count for branch in together for count in branch.positions]
        counts = [count for branch in together for count in branch.batch.label_counts]
        width = 0 if exact else band_width(model.config.decoder.band, positions, counts)
        found = {
            name: transducer_losses(
                model.decoder(name),
                states.states_of(name),
                lengths,
                labels,
                label_lengths,
                additive=True,
                width=width,
                fastemit=config.fastemit,
            )
            for name in model.config.decoder_weights(config.streaming)
        }
        first = 0
        for branch in together:
            rows = slice(first, first + len(branch.lengths))
            encoded.append(states.rows(rows, branch.front.shape[1]))
            losses.append({name: part.rows(rows) for name, part in found.items()})
            first = rows.stop
    return encoded, losses


def _side(
    losses: Sequence[dict[Decoder, TransducerLosses]],
    side: str,
    labels: int,
    config: LossConfig,
    weights: Mapping[Decoder, float],
    parts: dict[str, Tensor],
) -> Tensor:
    """Both decoders' losses for each label of all branches of a side, weighted; named in ``parts``."""
    total = losses[0][next(iter(losses[0]))].losses.new_zeros(())
    for name, weight in weights.items():
        own = [branch[name] for branch in losses]
        loss = parts[f"{side}_{name}"] = torch.cat([part.losses for part in own]).sum() / labels
        additive = [part.additive for part in own if part.additive is not None]
        if additive:
            simple = parts[f"additive/{side}_{name}"] = torch.cat(additive).sum() / labels
            loss = loss + config.additive * simple
        outside = [part.outside for part in own if part.outside is not None]
        if outside:
            parts[f"outside/{side}_{name}"] = torch.cat(outside).mean()
        total = total + weight * loss
    return total


def ctc_loss(model: JointModel, front: Tensor, lengths: Tensor, target: Tensor, target_lengths: Tensor) -> Tensor:
    """CTC of a front encoder's output (B, N, D) for each symbol of the targets (B, S); 0 is the blank of labels and no
    symbol of phones."""
    log_probs = model.ctc(front).float().log_softmax(-1)
    # CTC has no path for more symbols than positions; such utterances train the transducer alone.
    losses = ctc_losses(log_probs, target, lengths, target_lengths, zero_infinity=True)
    return losses.sum() / target_lengths.sum().clamp_min(1)


def consistency_parts(speech: Encoded, transcripts: Encoded, text: TextBatch, config: LossConfig) -> dict[str, Tensor]:
    """Parts of the consistency loss over the first paired utterances, which both branches encoded."""
    settings = config.consistency
    shared = len(transcripts.lengths)
    compare = ConsistencyLoss(
        alignment=settings.alignment,
        options=settings.options.of(settings.alignment),
        distance=settings.distance,
        normalised=settings.normalise,
        centred=settings.centre,
        layers=[layer % len(speech.states) for layer in settings.layers],
        layer_weights=settings.layer_weights,
        stop_gradient=settings.stop_gradient,
        soft_gradient=settings.soft_gradient,
    )
    spoken = [states[:shared] for states in speech.states]
    durations = None
    if settings.alignment == "forced":
        assert text.durations is not None  # the settings are refused without
        durations = position_durations(text.durations, text.phone_lengths)
    result: ConsistencyResult = compare(
        spoken, transcripts.states, speech.lengths[:shared], transcripts.lengths, durations
    )
    return result.parts

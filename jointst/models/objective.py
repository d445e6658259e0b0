"""What training minimises: the sum of all losses, with its named parts (the design's section 1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import ctc_loss

from jointst.config import LossConfig
from jointst.data.batch import JointBatch, TextBatch
from jointst.losses.consistency import ConsistencyLoss, ConsistencyResult
from jointst.losses.transducer import transducer_loss
from jointst.models.joint import Encoded, JointModel
from jointst.nn.predictor import BLANK
from jointst.nn.text_encoder import position_durations


@dataclass(frozen=True, kw_only=True)
class JointLoss:
    """A training loss and what it is made of.

    Attributes:
        total: the scalar to minimise.
        parts: unweighted scalars by name: ``speech_streaming``, ``text_full_context``, ``ctc``, ``consistency``,
            ``consistency/layer0``, ...
        speech: states of the speech branch, if it ran; for the collapse alarm.
        transcripts: states of the text branch on the first paired utterances, if it ran.
        consistency_weight: of the consistency loss at this update.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    speech: Encoded | None = None
    transcripts: Encoded | None = None
    consistency_weight: float = 0.0


def consistency_weight(config: LossConfig, update: int) -> float:
    """The weight of the consistency loss at an update: 0, then a linear ramp, then ``weight``, and down again if it
    ends."""
    consistency = config.consistency
    since, ramp = update - consistency.start_update, max(1, consistency.ramp_updates)
    left = ramp if consistency.end_update is None else consistency.end_update - update
    return consistency.weight * max(0.0, min(1.0, (since + 1) / ramp, left / ramp))


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
        parts["ctc"] = _ctc(model, front, lengths, *target)
        total = total + config.ctc * parts["ctc"]
    if update < config.ctc_only_updates:
        return JointLoss(total=total, parts=parts)
    speech = model.encode_shared(front, lengths, paired.languages)
    total = total + config.speech * _both_decoders(
        model, speech, paired.labels, paired.label_lengths, config, parts, "speech"
    )
    if config.text > 0 and batch.texts:
        texts = [
            model.encode_text(text.phones, text.phone_lengths, text.durations, text.languages) for text in batch.texts
        ]
        total = total + config.text * _text_losses(model, texts, batch.texts, config, parts)
        if batch.transcripts is not None:
            transcripts, weight = texts[0], consistency_weight(config, update)
            if weight > 0:
                parts.update(_consistency(speech, transcripts, batch.transcripts, config))
                total = total + weight * parts["consistency"]
            return JointLoss(
                total=total, parts=parts, speech=speech, transcripts=transcripts, consistency_weight=weight
            )
    return JointLoss(total=total, parts=parts, speech=speech)


def _text_losses(
    model: JointModel, encoded: list[Encoded], texts: list[TextBatch], config: LossConfig, parts: dict[str, Tensor]
) -> Tensor:
    """The transducer losses of all text batches for each of their labels."""
    labels = [int(text.label_lengths.sum()) for text in texts]
    total = encoded[0].front.new_zeros(())
    for states, text, count in zip(encoded, texts, labels, strict=True):
        share = count / max(1, sum(labels))
        own: dict[str, Tensor] = {}
        total = total + share * _both_decoders(model, states, text.labels, text.label_lengths, config, own, "text")
        for name, loss in own.items():
            parts[name] = parts.get(name, total.new_zeros(())) + share * loss
    return total


def _both_decoders(
    model: JointModel,
    encoded: Encoded,
    labels: Tensor,
    label_lengths: Tensor,
    config: LossConfig,
    parts: dict[str, Tensor],
    side: str,
) -> Tensor:
    weighted = encoded.front.new_zeros(())
    for name, decoder, states, weight in (
        ("streaming", model.streaming_decoder, encoded.streaming, config.streaming),
        ("full_context", model.full_context_decoder, encoded.full_context, 1.0 - config.streaming),
    ):
        if weight > 0:
            loss = transducer_loss(decoder, states, encoded.lengths, labels, label_lengths, fastemit=config.fastemit)
            parts[f"{side}_{name}"] = loss
            weighted = weighted + weight * loss
    return weighted


def _ctc(model: JointModel, front: Tensor, lengths: Tensor, target: Tensor, target_lengths: Tensor) -> Tensor:
    """CTC for each symbol of the targets (B, S); 0 is the blank of labels and no symbol of phones."""
    log_probs = model.ctc(front).float().log_softmax(-1).transpose(0, 1)  # (B, N, V) -> (N, B, V)
    # CTC has no path for more symbols than positions; such utterances train the transducer alone.
    losses = ctc_loss(log_probs, target, lengths, target_lengths, blank=BLANK, reduction="none", zero_infinity=True)
    return losses.sum() / target_lengths.sum().clamp_min(1)


def _consistency(speech: Encoded, transcripts: Encoded, text: TextBatch, config: LossConfig) -> dict[str, Tensor]:
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

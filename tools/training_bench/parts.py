"""An update taken apart: forward and backward of each of its parts on inputs that have no past."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchaudio.functional import rnnt_loss

from jointst.common.units import positions_in
from jointst.config import SpecAugmentConfig
from jointst.data.augmentation import spec_augment
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.losses.consistency import ConsistencyLoss
from jointst.losses.transducer import transducer_losses
from jointst.models.joint import Encoded, JointModel
from jointst.models.objective import ctc_loss
from jointst.ops.band import band_width
from jointst.training.graphs import begin_update

Work = Callable[[], object]


def _leaf(states: Tensor) -> Tensor:
    return states.detach().requires_grad_()


def _backward(outputs: Iterable[Tensor]) -> None:
    sum(output.float().square().mean() for output in outputs).backward()


def encoders(model: JointModel, batch: JointBatch, autocast: Callable[[], Any]) -> Work:
    """All that speech goes through before the decoders: what an update is compared with."""
    paired = batch.paired

    def work() -> None:
        begin_update(model)
        with autocast():
            encoded = model.encode_speech(paired.features, paired.feature_lengths, paired.languages)
        _backward((encoded.streaming, encoded.full_context))
        model.zero_grad()

    return work


def parts(
    model: JointModel, batch: JointBatch, optimizer: torch.optim.Optimizer, autocast: Callable[[], Any]
) -> dict[str, Work]:
    """By name; each is run with forward and backward."""
    paired, transcripts = batch.paired, batch.transcripts
    assert transcripts is not None
    with torch.no_grad(), autocast():
        front, lengths = model.encode_audio(paired.features, paired.feature_lengths)
        speech = model.encode_shared(front, lengths, paired.languages)
        texts = [model.encode_text(text.phones, text.phone_lengths) for text in batch.texts]

    def audio() -> None:
        masked = spec_augment(paired.features, paired.feature_lengths, model.normalisation.mean, SpecAugmentConfig())
        with autocast():
            states, _ = model.encode_audio(masked, paired.feature_lengths)
        _backward((states,))

    def shared() -> None:
        with autocast():
            encoded = model.encode_shared(_leaf(front), lengths, paired.languages)
        _backward((encoded.streaming, encoded.full_context))

    def text() -> None:
        for each in batch.texts:
            with autocast():
                encoded = model.encode_text(each.phones, each.phone_lengths)
            _backward((encoded.streaming, encoded.full_context))

    def ctc() -> None:
        with autocast():
            loss = ctc_loss(model, _leaf(front), lengths, paired.phones, paired.phone_lengths)
        loss.backward()

    def consistency() -> None:
        count = len(transcripts.phone_lengths)
        sides = [[_leaf(states[:count]) for states in side.states] for side in (speech, texts[0])]
        ConsistencyLoss()(*sides, lengths[:count], texts[0].lengths).total.backward()

    def optimise() -> None:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter) if parameter.grad is None else parameter.grad
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()

    positions = [positions_in(frames, model.config.subsampling) for frames in paired.frame_counts]
    works = {
        "audio encoder": audio,
        "shared encoders, speech": shared,
        "text encoder and shared encoders, texts": text,
        "CTC": ctc,
        "transducers, speech": _transducers(model, speech, paired, positions, autocast),
    }
    for name, states, each in zip(("transcripts", "texts"), texts, batch.texts, strict=True):
        least = [model.text_encoder.least_positions(count) for count in each.phone_counts]
        works[f"transducers, {name}"] = _transducers(model, states, each, least, autocast)
    works |= {"consistency": consistency, "clipping and optimiser": optimise}
    return {name: _begun(model, work) for name, work in works.items()}


def _begun(model: JointModel, work: Work) -> Work:
    """Each time as an update of its own."""

    def begun() -> None:
        begin_update(model)
        work()

    return begun


def _transducers(
    model: JointModel,
    encoded: Encoded,
    batch: PairedBatch | TextBatch,
    positions: list[int],
    autocast: Callable[[], Any],
) -> Work:
    width = band_width(model.config.decoder.band, positions, batch.label_counts)
    decoders = (model.streaming_decoder, encoded.streaming), (model.full_context_decoder, encoded.full_context)

    def work() -> None:
        for decoder, states in decoders:
            with autocast():
                found = transducer_losses(
                    decoder,
                    _leaf(states),
                    encoded.lengths,
                    batch.labels,
                    batch.label_lengths,
                    additive=True,
                    width=width,
                )
            total = found.losses.sum() if found.additive is None else found.losses.sum() + found.additive.sum()
            total.backward()

    return work


def full_lattice(model: JointModel, batch: JointBatch, autocast: Callable[[], Any]) -> Work:
    """Both transducers on speech as torchaudio has them: all logits (B, T, U+1, V), and its ``rnnt_loss``."""
    paired = batch.paired
    with torch.no_grad(), autocast():
        encoded = model.encode_speech(paired.features, paired.feature_lengths, paired.languages)
    decoders = (model.streaming_decoder, encoded.streaming), (model.full_context_decoder, encoded.full_context)
    longest = int(paired.label_lengths.max())
    targets = pad(paired.labels, (0, max(0, longest - paired.labels.shape[1])))[:, :longest].int()

    def work() -> None:
        for decoder, states in decoders:
            joiner = decoder.joiner
            with autocast():
                sides = (
                    joiner.project_encoder(_leaf(states)),
                    joiner.project_predictor(decoder.predictor(paired.labels)),
                )
                logits = joiner.logits(sides[0][:, :, None], sides[1][:, None])
            lengths = encoded.lengths.int(), paired.label_lengths.int()
            rnnt_loss(logits, targets, *lengths, blank=0, reduction="sum").backward()

    return work

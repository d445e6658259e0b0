"""What is measured: a model of a preset, and random batches of stated length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from jointst.config import PRESETS, ConsistencyConfig, DecoderConfig, LossConfig, ModelConfig, TextEncoderConfig
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.models.joint import JointModel
from jointst.models.objective import joint_loss
from jointst.training.graphs import begin_update

MEL_BINS, SYMBOLS, PHONES = 80, 100, 12
"""Bins, the size of the phone table, and phones a second."""
LABELS = {"characters": (60, 14), "pieces": (2000, 4)}
"""Vocabulary and labels a second."""
ON = ConsistencyConfig(weight=0.3, start_update=0, ramp_updates=0)
SYSTEMS = {
    "paired": LossConfig(ctc_only_updates=0, text=0.0, consistency=replace(ON, weight=0.0)),
    "joist": LossConfig(ctc_only_updates=0, consistency=replace(ON, weight=0.0)),
    "best": LossConfig(ctc_only_updates=0, consistency=ON),
}


def model_of(size: str, labels: str, band: int | None, device: str) -> JointModel:
    """A fresh model; ``band`` None for the default."""
    settings: dict[str, Any] = {"size": size, **PRESETS[size]}
    settings["decoder"] = DecoderConfig(**settings.get("decoder", {}), **({} if band is None else {"band": band}))
    if "text_encoder" in settings:
        settings["text_encoder"] = TextEncoderConfig(**settings["text_encoder"])
    torch.manual_seed(0)
    config = ModelConfig(**settings)
    return JointModel(config, mel_bins=MEL_BINS, vocabulary=LABELS[labels][0], symbols=SYMBOLS).to(device).train()


@dataclass(frozen=True)
class Shape:
    """Of a batch: utterances and texts, and seconds of each; ``least`` is the shortest over the longest."""

    utterances: int
    seconds: float
    texts: int
    text_seconds: float
    least: float = 1.0

    def batch(self, labels: str, device: str) -> JointBatch:
        """Half of the transcripts go through the text branch too."""
        text = self._texts(self.utterances, self.seconds, labels)
        frames = _lengths(self.utterances, self.seconds, self.least, 100)
        features = torch.randn(self.utterances, int(frames.max()), MEL_BINS)
        own = {"features": features, "feature_lengths": frames, "languages": ["en"] * self.utterances}
        half = {name: value[: self.utterances // 2] for name, value in text.items()}
        unpaired = self._texts(self.texts, self.text_seconds, labels)
        paired = PairedBatch(**{**text, **own})
        return JointBatch(paired=paired, transcripts=TextBatch(**half), unpaired=TextBatch(**unpaired)).to(device)

    def _texts(self, count: int, seconds: float, labels: str) -> dict[str, Any]:
        vocabulary, rate = LABELS[labels]
        lengths = [_lengths(count, seconds, self.least, each) for each in (PHONES, rate)]
        phones, targets = (
            torch.randint(3, most, (count, int(own.max()))) for own, most in zip(lengths, (SYMBOLS, vocabulary))
        )
        names = [str(i) for i in range(count)]
        lengths = {"phone_lengths": lengths[0], "label_lengths": lengths[1]}
        return {"utterances": names, "phones": phones, "labels": targets, **lengths}


def _lengths(count: int, seconds: float, least: float, rate: float) -> Tensor:
    return (torch.linspace(1.0, least, count) * seconds * rate).long().clamp_min(1)


def without_text(batch: JointBatch) -> JointBatch:
    """The batch of a system that is trained on speech alone."""
    return replace(batch, transcripts=None, unpaired=None)


def update(
    model: JointModel, batch: JointBatch, system: str, optimizer: torch.optim.Optimizer, autocast: Callable[[], Any]
) -> Callable[[], None]:
    """A whole update of a system, from the batch on the device to the new weights."""
    batch = without_text(batch) if system == "paired" else batch

    def work() -> None:
        torch.manual_seed(1)  # the same masks in all
        begin_update(model)
        with autocast():
            loss = joint_loss(model, batch, SYSTEMS[system], update=10)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()

    return work

"""A whole training step, forward, backward and update, with and without the consistency loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from bench_report import Report, milliseconds, time_rounds

from jointst.config import PRESETS, ConsistencyConfig, DecoderConfig, LossConfig, ModelConfig, TextEncoderConfig
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.models.joint import JointModel
from jointst.models.objective import joint_loss

MEL_BINS = 80
SIZES: dict[str, dict[str, Any]] = {
    "toy": {"batch": 2, "seconds": 0.6, "vocabulary": 20},
    "tiny": {"batch": 16, "seconds": 3.0, "vocabulary": 500},
    "small": {"batch": 8, "seconds": 6.0, "vocabulary": 2000},
    "joist": {"batch": 4, "seconds": 8.0, "vocabulary": 4096},
}
"""Batches that two cores can train on; a GPU takes four times as many utterances. ``toy`` has the model of ``tiny``."""


def _model(size: str, vocabulary: int, device: str) -> JointModel:
    preset = "tiny" if size == "toy" else size
    settings = {"size": preset, **PRESETS[preset]}
    for name, cls in (("text_encoder", TextEncoderConfig), ("decoder", DecoderConfig)):
        if name in settings:
            settings[name] = cls(**settings[name])
    torch.manual_seed(0)
    model = JointModel(ModelConfig(**settings), mel_bins=MEL_BINS, vocabulary=vocabulary, symbols=100)
    return model.to(device).train()


def _batch(batch: int, seconds: float, vocabulary: int, device: str) -> JointBatch:
    """Random paired utterances from half to all of ``seconds``, with 12 phonemes and 4 labels a second."""
    shares = torch.linspace(1.0, 0.5, batch)

    def lengths(rate: float) -> torch.Tensor:
        return (shares * seconds * rate).long().clamp_min(1)

    text = TextBatch(
        utterances=[str(i) for i in range(batch)],
        phones=torch.randint(3, 100, (batch, int(lengths(12).max()))),
        phone_lengths=lengths(12),
        labels=torch.randint(1, vocabulary, (batch, int(lengths(4).max()))),
        label_lengths=lengths(4),
    )
    paired = PairedBatch(
        **{**vars(text), "languages": ["en"] * batch},
        features=torch.randn(batch, int(lengths(100).max()), MEL_BINS),
        feature_lengths=lengths(100),
    )
    return JointBatch(paired=paired, transcripts=text, unpaired=None).to(device)


def run(report: Report, device: str, size: str, rounds: int) -> None:
    """The same text branch in all; with the loss on all shared layers under several alignments, and without it."""
    settings = dict(SIZES[size])
    if device == "cuda":
        settings["batch"] *= 4
    batch = _batch(settings["batch"], settings["seconds"], settings["vocabulary"], device)
    model = _model(size, settings["vocabulary"], device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def step(consistency: ConsistencyConfig) -> Callable[[], None]:
        config = LossConfig(ctc_only_updates=0, consistency=consistency)

        def work() -> None:
            torch.manual_seed(1)  # the same masks in all
            joint_loss(model, batch, config, update=10).total.backward()
            optimiser.step()
            optimiser.zero_grad()

        return work

    on = ConsistencyConfig(weight=0.3, start_update=0, ramp_updates=0)
    methods = {"without": step(replace(on, weight=0.0))}
    kinds = ("best", "framewise", "mas", "dtw", "soft_dtw", "sinkhorn")
    quick = size in ("toy", "tiny") or device == "cuda"
    for kind in kinds if quick else ("best",):
        methods[kind] = step(replace(on, alignment=kind))  # type: ignore[arg-type]
    times = time_rounds(methods, rounds if quick else max(3, rounds // 4), device)
    # Of each round's step to the same round's step without the loss: what slows a round slows both.
    ratios = {name: median(a / b for a, b in zip(own, times["without"], strict=True)) for name, own in times.items()}
    rows = [[name, milliseconds(own), f"{1e3 * min(own):.4g}", f"{ratios[name]:.3f}"] for name, own in times.items()]
    parameters = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    title = f"Training step, {size} ({parameters:.1f} M parameters), {settings['batch']} utterances of up to " + (
        f"{settings['seconds']:g} s"
    )
    report.table(title, ["consistency loss", "median ms", "least ms", "ratio"], rows)
    most = 1.02 if size == "joist" and device == "cuda" else 1.05
    report.hold(f"step with best over step without, {size}, {device}", ratios["best"], most=most)

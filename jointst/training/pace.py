"""How long an update of each of several trainings takes, measured in turns: what a busy machine does to one, it does
to all."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any, Literal

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from jointst.common.progress import progress
from jointst.common.threads import set_threads
from jointst.common.units import Seconds
from jointst.config import LossConfig
from jointst.config.context import Context
from jointst.models.build import load_trained
from jointst.training.data import JointData
from jointst.training.fill import settled
from jointst.training.freeze import as_in_the_end
from jointst.training.module import JointModule
from jointst.training.trainer import make_trainer

Phase = Literal["ctc", "exact", "joint", "consistency"]
"""What an update minimises: CTC alone, then the transducers too (on the exact lattice first, if settings say so), then
the consistency loss too."""
Paces = dict[str, dict[Phase, Seconds]]
"""Seconds of an update of each training, phase by phase."""

WARM, TIMED, TURNS = 3, 10, 5
"""Updates that are not timed, updates that are, and how often each training has its turn."""


def phases(loss: LossConfig) -> list[tuple[Phase, int]]:
    """The phases of a training and the update, counted from 0, that each begins with."""
    consistency = loss.consistency
    found: list[tuple[Phase, int]] = [("ctc", 0)] if loss.ctc_only_updates > 0 else []
    if loss.exact_updates > 0:
        found.append(("exact", loss.ctc_only_updates))
    found.append(("joint", loss.ctc_only_updates + loss.exact_updates))
    first, end = max(found[-1][1], consistency.start_update), consistency.end_update
    if consistency.weight > 0 and loss.text > 0 and (end is None or end > first):
        found.append(("consistency", first))
        if end is not None:
            found.append(("joint", end))
    return found


def alone(loss: LossConfig, phase: Phase) -> LossConfig:
    """The loss as if all of the training were one phase."""
    ctc_only, exact = (WARM + TIMED if phase == name else 0 for name in ("ctc", "exact"))
    weight = loss.consistency.weight if phase == "consistency" else 0.0
    consistency = dataclasses.replace(loss.consistency, weight=weight, start_update=0, ramp_updates=1, end_update=None)
    return dataclasses.replace(loss, ctc_only_updates=ctc_only, exact_updates=exact, consistency=consistency)


class _Clock(Callback):
    """When each update had ended."""

    def __init__(self) -> None:
        self.ends: list[Seconds] = []

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time, once the GPU is done."""
        if trainer.global_step == len(self.ends):
            return  # gradients are being accumulated
        if module.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def _turn(context: Context, phase: Phase) -> list[Seconds]:
    """Some updates of one phase, from the weights that the training came to: a trained model's lattices are narrow."""
    trained = load_trained(context)
    ended = as_in_the_end(trained.config)
    training = dataclasses.replace(ended.training, max_updates=WARM + TIMED)
    config = dataclasses.replace(ended, loss=alone(ended.loss, phase), training=training)
    clock = _Clock()
    trainer = make_trainer(
        clock,
        ngpu=min(1, context.ngpu),
        precision=training.precision,
        max_updates=WARM + TIMED,
        validate_every=2 * (WARM + TIMED),
        gradient_clip=training.gradient_clip,
        accumulate=training.accumulate,
    )
    data = JointData(settled(config, context.exp), context.data, trained.symbols)
    trainer.fit(JointModule(trained.model.train(), config), data)
    ends = clock.ends[WARM - 1 :]
    return [after - before for before, after in zip(ends, ends[1:])]


def measure(contexts: Mapping[str, Context]) -> Paces:
    """Seconds of an update of trainings that have ended, batches and optimiser included, validation left out.

    All go through the same batches, in turns; of the times of a batch the least counts, and of all batches the mean.

    Args:
        contexts: of the trainings, by name.

    Raises:
        DataError: a training has not ended, or its data were made anew.
        EnvironmentFault: there is no GPU, and one is asked for.
    """
    set_threads(None)
    runs = [
        (name, context, phase)
        for name, context in contexts.items()
        for phase in dict.fromkeys(phase for phase, _ in phases(context.config.loss))
    ]
    least: dict[tuple[str, Phase], list[Seconds]] = {}
    bar: tqdm[None] = progress(total=TURNS * len(runs), desc="pace", unit="turn")
    with bar:
        for _ in range(TURNS):
            for name, context, phase in runs:
                times = _turn(context, phase)
                least[name, phase] = [min(pair) for pair in zip(times, least.get((name, phase), times))]
                bar.update(1)
    return {
        name: {phase: sum(times) / len(times) for (own, phase), times in least.items() if own == name}
        for name in contexts
    }

"""How much audio a batch may hold: tried before the first update, and kept with the experiment.

A GPU that is too small for the largest batch must say so at once, not after hours, when that batch is drawn.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from lightning import Trainer

from jointst.common.errors import EnvironmentFault
from jointst.common.files import write_atomically
from jointst.common.units import Seconds, frames_to_seconds
from jointst.config import Config
from jointst.data.batch import JointBatch
from jointst.models.joint import JointModel
from jointst.models.objective import PADDING
from jointst.training.data import JointData, joint_set
from jointst.training.memory import Trial, device_memory, lower, shown

KEPT = "batches.json"
"""File of an experiment with what was found: a continued run must draw the very same batches."""
SPARE = 0.08
"""Share of the memory that the search leaves free: batches of other shapes leave gaps between them."""
CLOSE = 0.03
"""The search ends when the least that does not fit is above the most that fits by this share."""


def largest_seconds(
    worst: Callable[[Seconds], Iterable[JointBatch]],
    fits: Callable[[JointBatch], bool],
    least: Seconds,
    most: Seconds,
) -> Seconds | JointBatch:
    """The most seconds of audio whose worst batches all fit, to a share of :data:`CLOSE`.

    Args:
        worst: the batches that cost the most under a bound in seconds.
        fits: whether a batch does.
        least: the shortest bound, that of the longest utterance.
        most: the bound to try first; where it does not fit, halves of it follow, and then means.

    Returns:
        The bound, or the batch that does not fit under ``least``.
    """

    def misfit(seconds: Seconds) -> JointBatch | None:
        return next((batch for batch in worst(seconds) if not fits(batch)), None)

    fitting, failing = max(least, most), math.inf
    while (batch := misfit(fitting)) is not None:
        if fitting == least:
            return batch
        fitting, failing = max(least, fitting / 2), fitting
    while failing < math.inf and failing - fitting > max(1.0, CLOSE * fitting):
        middle = round((fitting + failing) / 2, 2)
        if misfit(middle) is None:
            fitting = middle
        else:
            failing = middle
    return fitting


def with_seconds(config: Config, seconds: Seconds | None) -> Config:
    """The settings with another bound on the seconds of a batch of speech."""
    bounds = dataclasses.replace(config.training.speech_batch, max_seconds=seconds)
    return dataclasses.replace(config, training=dataclasses.replace(config.training, speech_batch=bounds))


def settled(config: Config, folder: Path) -> Config:
    """The settings with the bound on seconds that was found, where it was to be found.

    Args:
        config: as stated.
        folder: of the experiment.
    """
    if config.training.speech_batch.max_seconds != "auto":
        return config
    return with_seconds(config, json.loads((folder / KEPT).read_text())["max_seconds"])


def settle(trainer: Trainer, model: JointModel, data: JointData, folder: Path, updates: Sequence[int]) -> None:
    """Find the bound on seconds if ``auto`` asks for it and it was not found before; on a GPU, try the worst batches.

    Afterwards :func:`settled` knows the bound. Of several processes, the first alone does this.

    Args:
        trainer: of the training to come.
        model: its model; moved to the trainer's device.
        data: its data.
        folder: of the experiment, where ``batches.json`` is left.
        updates: to try batches at, see :func:`jointst.training.memory.hardest`.

    Raises:
        EnvironmentFault: the largest batch under the bounds does not fit, with its utterances.
        DataError: as of the data.
    """
    config, device = data.config, trainer.strategy.root_device
    if not trainer.is_global_zero:
        return
    known = config.training.speech_batch.max_seconds != "auto" or (folder / KEPT).is_file()
    if device.type != "cuda":
        if not known:
            print("warning: training.speech_batch.max_seconds: auto is for a GPU; max_positions holds", flush=True)
            _keep(folder, None, device)
        return
    trial = Trial(model.to(device), config.loss, trainer, updates=updates, spare=0.0 if known else SPARE)
    if known:
        tried = joint_set(settled(config, folder), *data.sets).worst(PADDING[device.type])
        misfit = next((batch for batch in tried if not trial(batch)), None)
        if misfit is not None:
            auto = config.training.speech_batch.max_seconds == "auto"
            again = f"go on where {KEPT} was found, or start anew with --force"
            raise _too_large(misfit, config, device, again if auto else lower(misfit))
    else:
        _keep(folder, _search(trial, data, device), device)
    print(f"the largest batches take up to {trial.peak / 2**30:.1f} GiB of {device_memory(device)}", flush=True)


def _search(trial: Trial, data: JointData, device: torch.device) -> Seconds:
    config = data.config
    longest = frames_to_seconds(max(data.sets[0].frames), config.row)
    most = config.training.speech_batch.max_utterances * longest
    found = largest_seconds(
        lambda seconds: joint_set(with_seconds(config, seconds), *data.sets).worst(PADDING[device.type]),
        trial,
        least=longest,
        most=most,
    )
    if isinstance(found, JointBatch):
        raise _too_large(found, config, device, lower(found, seconds=False))
    more = "; training.speech_batch.max_utterances allows no more" if found == most else ""
    print(f"batches of up to {found:g} s of audio fit ({trial.tried} batches tried{more})", flush=True)
    return found


def _keep(folder: Path, seconds: Seconds | None, device: torch.device) -> None:
    kept = {"max_seconds": seconds, "device": device_memory(device)}
    write_atomically(folder / KEPT, json.dumps(kept, indent=1) + "\n")


def _too_large(batch: JointBatch, config: Config, device: torch.device, fix: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"{device_memory(device)} cannot hold the largest batch that may be drawn: "
        f"{shown(batch, config.row)}; what to do: {fix}"
    )

"""An end of training that can be told beforehand: a signal, or the time limit of a Slurm job.

All processes stop after the same update, with a checkpoint of it, and the job goes back into the queue. A continued
training has the very validations of an unbroken one, so no validation is made on the way out.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from jointst.common.errors import AGAIN, Stopped, last_words
from jointst.common.units import Milliseconds, Seconds
from jointst.data.batch import JointBatch, PairedBatch
from jointst.ranks.group import current, name_of
from jointst.ranks.slurm import seconds_left
from jointst.training.checkpoints import Checkpoints
from jointst.training.memory import shown

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Slurm's at the end of a job, that which ``sbatch --signal`` asks for most often, and submitit's."""
BEFORE_LIMIT: Seconds = 120.0
"""How long before a job's time limit training stops, at most."""
SHARE_OF_LIMIT = 0.05
"""And at most this share of the time that the job had at the start; beside the longest time between two updates."""
TIME_LIMIT = "the time limit of the job"


class Stopping(Callback):
    """Stops training where it is told to; comes after the log, which writes the checkpoints of validations.

    Args:
        checkpoints: writes that of the stop.
        validate_every: updates between validations.
        hop: of a frame, for words on batches.
    """

    def __init__(self, checkpoints: Checkpoints, validate_every: int, hop: Milliseconds) -> None:
        self._checkpoints = checkpoints
        self._validate_every = validate_every
        self._hop = hop
        self._started = -1
        self._deadline: Seconds | None = None
        self._longest: Seconds = 0.0
        self._group = current()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Take the signals from lightning, whose way with them is for checkpoints of its own."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._told)
        left = seconds_left() if self._group.first else None
        if left is not None:
            self._deadline = time.monotonic() + left - min(BEFORE_LIMIT, SHARE_OF_LIMIT * left)
        self._began = time.monotonic()

    def _told(self, number: int, frame: FrameType | None) -> None:
        self._group.want_stop(name_of(number))

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Say what is worked on, and agree upon the last update."""
        update = trainer.global_step + 1
        if isinstance(batch, JointBatch):
            self._group.at(f"at update {update}, on {shown(batch, self._hop)}")
        if update == self._started:
            return  # gradients are being accumulated
        now = time.monotonic()
        if self._started >= 0:
            self._longest = max(self._longest, now - self._began)
        self._started, self._began = update, now
        if self._deadline is not None and now + 2 * self._longest > self._deadline:
            self._group.want_stop(TIME_LIMIT)
        self._group.before_update(update, update % self._validate_every == 0)

    def on_validation_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Say what is worked on."""
        if isinstance(batch, PairedBatch):
            self._group.at(f"in the validation after update {trainer.global_step}, on {shown(batch, self._hop)}")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop with a checkpoint, unless a validation comes, which leaves one.

        Raises:
            Stopped: after the agreed update.
        """
        update = trainer.global_step
        ended = update == self._started  # and not one of several batches
        if not ended or update >= trainer.max_steps or update % self._validate_every == 0:
            return
        if self._group.stops_after(update):
            self._checkpoints.save_last(trainer)
            self._stop(update)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop after it; the checkpoint is written.

        Raises:
            Stopped: after the agreed update.
        """
        if self._group.stops_after(trainer.global_step) and trainer.global_step < trainer.max_steps:
            self._stop(trainer.global_step)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """What lightning does on the way out may wait for a GPU that waits for the others."""
        words = last_words(exception)
        if words is not None and not isinstance(exception, Stopped):
            self._group.failing(words[1])

    def _stop(self, update: int) -> None:
        why = self._group.wanted
        if why == "SIGTERM":  # whoever ends a job so does not want it to go on, or sees to that itself
            raise Stopped(why, update, 128 + signal.SIGTERM)
        raise Stopped(why, update, AGAIN)

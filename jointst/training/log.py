"""What a run leaves to look at: ``log.jsonl``, TensorBoard, a progress bar; and its clock."""

from __future__ import annotations

import contextlib
import json
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.nn import Parameter
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from jointst.common.errors import CollapseError
from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.common.units import Seconds
from jointst.models.build import MARK
from jointst.training.checkpoints import Checkpoints
from jointst.training.feed import Feed
from jointst.training.time_to_go import Costs, TimeToGo, in_words

LOG_EVERY = 10
"""Updates between lines of the log."""


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a last line cut short by a crash is left out."""
    lines = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error of the system say which file it is about: a full disk does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


class Logged(LightningModule):
    """A module whose training is logged."""

    @property
    @abstractmethod
    def latest(self) -> dict[str, float]:
        """Named losses of the last update."""

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip norms. Lightning refuses a fused optimiser, which might unscale gradients; ours have no scale."""
        if gradient_clip_val:
            for group in self.clipped_together():
                torch.nn.utils.clip_grad_norm_(group, gradient_clip_val)

    def clipped_together(self) -> list[list[Parameter]]:
        """Weights in groups, each of which has the norm of its gradient clipped."""
        return [list(self.parameters())]


class Log(Callback):
    """Logs losses, validates the clock, and asks for a checkpoint after each validation.

    Args:
        folder: of the experiment.
        checkpoints: writes the checkpoints.
        max_time: seconds of training after which to stop, over all continuations.
        feed: is told of every joint batch, and says how much of them is padding.
        to_go: is told of every update, and tells the time that is left.
        forecast: finds out beforehand what updates cost; in no training's time.
    """

    def __init__(
        self,
        folder: Path,
        checkpoints: Checkpoints,
        max_time: Seconds | None,
        *,
        to_go: TimeToGo,
        feed: Feed | None = None,
        forecast: Callable[[Trainer, LightningModule], Costs | None] | None = None,
    ) -> None:
        self._folder = folder
        self._checkpoints = checkpoints
        self._max_time = max_time
        self._feed = feed
        self._to_go = to_go
        self._forecast = forecast
        self._before: Seconds = 0.0
        self._logged_update = -1
        self._sums: dict[str, float] = {}
        self._loss = ""

    @property
    def seconds(self) -> Seconds:
        """Training time so far, earlier parts of a continued run included."""
        return self._before + time.monotonic() - self._started

    def state_dict(self) -> dict[str, Any]:
        """The clock, and what is counted."""
        return {"seconds": self.seconds, "feed": {} if self._feed is None else self._feed.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the clock, and with counting."""
        self._before = state_dict["seconds"]
        if self._feed is not None:
            # nothing was counted before there was a feed
            self._feed.load_state_dict(state_dict.get("feed") or {"since": self._before})

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say in the checkpoint which training it is of."""
        checkpoint[MARK] = self._checkpoints.mark

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Drop what a broken run logged after its last checkpoint, and start the clock."""
        if self._forecast is not None and trainer.is_global_zero:
            self._to_go.costs = self._forecast(trainer, module)
        self._started = self._since = time.monotonic()
        self._logged_update = trainer.global_step
        self._bar: tqdm[None] = tqdm(iterable=(), disable=True)
        if not trainer.is_global_zero:
            return  # of several processes, the first alone writes
        path = self._folder / "log.jsonl"
        kept = [line for line in read_log(path) if line["update"] <= trainer.global_step and trainer.global_step > 0]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._stream = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(self._folder / "tensorboard"), purge_step=trainer.global_step + 1)
        done = trainer.global_step
        self._bar = progress(total=trainer.max_steps, initial=done, desc="train", unit="update", guess=False)

    def _write(self, record: dict[str, Any]) -> None:
        if not hasattr(self, "_stream"):
            return
        with _named(self._folder / "log.jsonl"):
            self._stream.write(json.dumps(record) + "\n")
            self._stream.flush()
        with _named(self._folder / "tensorboard"):
            for name, value in record.items():
                if name != "update":
                    self._board.add_scalar(name, value, record["update"])

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the update, log it now and then, and stop when the time is up."""
        update = trainer.global_step
        if self._feed is not None:
            self._feed.add(batch)
        if update == self._logged_update:
            return  # gradients are being accumulated
        self._logged_update = update
        left = self._count(update)
        if update % LOG_EVERY == 0 or update == 1:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            assert isinstance(module, Logged)
            fed = {} if self._feed is None else self._feed.take(self.seconds, trainer.world_size)
            self._write(
                {
                    "update": update,
                    "seconds": round(self.seconds, 2),
                    "to_go": left,
                    "rate": rate,
                    **module.latest,
                    **fed,
                }
            )
            self._loss = f", loss {module.latest['loss']:.3f}"
        late = False
        if self._max_time is not None:
            # Clocks differ: if each process asked its own, one would stop and the others wait for it.
            late = trainer.strategy.broadcast(self.seconds > self._max_time)
        if late or update == trainer.max_steps:
            trainer.should_stop = True  # lightning then validates once more

    def _count(self, update: int) -> Seconds:
        """Time an update and show it; the seconds that are left."""
        now = time.monotonic()
        self._to_go.updated(update, now - self._since)
        self._since = now
        left = self._to_go.left(update)
        assert left is not None, "one update is known"
        if self._max_time is not None:
            left = max(0.0, min(left, self._max_time - self.seconds))
        phase = self._to_go.phase(update)
        words = f"{phase}, {in_words(left)} to go".removeprefix(", ")
        self._bar.set_postfix_str(words + self._loss, refresh=False)
        self._bar.update(1)
        return round(left, 1)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the clock of a validation."""
        self._since = time.monotonic()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch up."""
        for name, value in outputs.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Log the dev losses, and write a checkpoint.

        Raises:
            CollapseError: a dev loss is not finite; such weights must not become the checkpoint to go on from.
        """
        labels = self._sums.pop("labels")
        losses = {f"dev_{name}": value / labels for name, value in self._sums.items()}
        self._sums = {}
        dev_loss = sum(losses.values()) / len(losses)
        if not math.isfinite(dev_loss):
            raise CollapseError(
                f"update {trainer.global_step}: the dev loss is not finite ({losses}): the weights are broken, or the "
                "features of a dev set; the last checkpoint stays; what to do: look at the dev features, or lower "
                "training.peak_rate (which starts anew)"
            )
        self._checkpoints.dev_loss = dev_loss
        record = {"update": trainer.global_step, "seconds": round(self.seconds, 2), "dev_loss": dev_loss, **losses}
        self._write(record)
        if trainer.is_global_zero:
            self._bar.write(
                f"update {trainer.global_step}: dev loss {dev_loss:.4f} a label "
                f"({', '.join(f'{name} {value:.4f}' for name, value in losses.items())}), {self.seconds:.0f} s"
            )
        self._checkpoints.save(trainer, module)
        now = time.monotonic()
        self._to_go.validated(now - self._since)
        self._since = now

    def close(self) -> None:
        """Close the files; also after an error."""
        if hasattr(self, "_stream"):
            self._bar.close()
            with _named(self._folder / "log.jsonl"):
                self._stream.close()
            with _named(self._folder / "tensorboard"):
                self._board.close()

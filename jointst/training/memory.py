"""GPU memory: whether a batch fits, tried; and the words for one that does not."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence

import torch
from lightning import Trainer

from jointst.common.units import Milliseconds, frames_to_seconds
from jointst.config import LossConfig
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.models.joint import JointModel
from jointst.models.objective import joint_loss

NAMED = 12
"""Utterances of each kind named in a message at most."""


def shown(batch: JointBatch | PairedBatch, hop: Milliseconds) -> str:
    """The size of a batch, and its utterances.

    Args:
        batch: of training, or of validation.
        hop: of a frame.
    """
    paired = batch.paired if isinstance(batch, JointBatch) else batch
    seconds = frames_to_seconds(max(paired.frame_counts), hop)
    size = f"{len(paired.utterances)} utterances of up to {seconds:.1f} s and {max(paired.label_counts)} labels"
    text = batch.unpaired if isinstance(batch, JointBatch) else None
    if text is None:
        return f"{size} ({_named(paired)})"
    more = f"{len(text.utterances)} texts of up to {max(text.phone_counts)} phones and {max(text.label_counts)} labels"
    return f"{size} ({_named(paired)}), and {more} ({_named(text)})"


def _named(batch: PairedBatch | TextBatch) -> str:
    return " ".join(batch.utterances[:NAMED]) + (" ..." if len(batch.utterances) > NAMED else "")


def lower(batch: JointBatch | PairedBatch, *, seconds: bool = True) -> str:
    """What to do where a batch does not fit.

    Args:
        batch: of training, or of validation.
        seconds: whether a bound on seconds can be lower than it was.
    """
    if isinstance(batch, PairedBatch):
        return "lower decoding.batch_utterances"
    found = []
    if len(batch.paired.utterances) > 1:
        found.append(f"lower training.speech_batch.{'max_seconds or ' if seconds else ''}max_lattice")
    if batch.unpaired is not None and len(batch.unpaired.utterances) > 1:
        found.append("lower training.text_batch.max_positions or max_lattice")
    return ", ".join([*found, "segment or drop the longest utterances", "or take a smaller model or a larger GPU"])


def device_memory(device: torch.device) -> str:
    """What has the memory, and how much."""
    if device.type != "cuda":
        return device.type
    properties = torch.cuda.get_device_properties(device)
    return f"{properties.name} ({properties.total_memory / 2**30:.0f} GiB)"


def hardest(phases: Sequence[tuple[str, int]], updates: int) -> list[int]:
    """The updates to try a batch at, the last first.

    CTC alone is left out, since all other phases minimise it too, and so is joint beside consistency.

    Args:
        phases: of a training, and the update, counted from 0, that each begins with.
        updates: of the training.
    """
    first: dict[str, int] = {}
    for name, update in phases:
        if update < updates:
            first.setdefault(name, update)
    left_out = ("ctc" if len(first) > 1 else "", "joint" if "consistency" in first else "")
    return sorted({update for name, update in first.items() if name not in left_out}, reverse=True)


class Trial:
    """Whether a batch fits where a model is: forward, backward, and room for the state of the optimiser.

    Weights, gradients and random numbers of the training stay as they are.

    Args:
        model: the model, on its device.
        loss: its loss.
        trainer: knows the arithmetic, and how many processes train.
        updates: to try batches at, see :func:`hardest`.
        spare: share of the memory to be left free.

    Attributes:
        tried: batches so far.
        peak: bytes that the largest batch which fitted took.
    """

    def __init__(
        self,
        model: JointModel,
        loss: LossConfig,
        trainer: Trainer,
        *,
        updates: Sequence[int],
        spare: float = 0.0,
    ) -> None:
        self._model = model
        self._loss = loss
        self._updates = updates
        self._trainer = trainer
        self._device = next(model.parameters()).device
        self._spare = spare
        self.tried = self.peak = 0

    def __call__(self, batch: JointBatch) -> bool:
        """Try a batch."""
        self.tried += 1
        cuda = self._device.type == "cuda"
        was_training = self._model.training
        try:
            with torch.random.fork_rng([self._device] if cuda else []), self._sparing():
                for update in self._updates:
                    self._step(batch.to(self._device), update)
            fitted = True
        except torch.cuda.OutOfMemoryError:
            fitted = False  # and on: until the handler is left, the error holds on to all that was computed
        self._model.zero_grad()
        self._model.train(was_training)
        gc.collect()
        if cuda:
            if fitted:
                self.peak = max(self.peak, torch.cuda.max_memory_allocated(self._device))
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)
        return fitted

    def _step(self, batch: JointBatch, update: int) -> None:
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        # AdamW's two moments; several processes gather their gradients in a copy
        copies = 3 if self._trainer.world_size > 1 else 2
        held = [torch.empty_like(parameter) for parameter in trained for _ in range(copies)]
        with self._trainer.precision_plugin.train_step_context():
            total = joint_loss(self._model.train(), batch, self._loss, update).total
        torch.autograd.backward(total)
        del total
        held += [torch.empty_like(parameter) for parameter in trained]  # AdamW's denominators
        self._model.zero_grad()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    @contextlib.contextmanager
    def _sparing(self) -> Iterator[None]:
        """Out of memory begins where the spare share of it is left."""
        if self._device.type != "cuda":
            yield
            return
        free, total = torch.cuda.mem_get_info(self._device)
        usable = torch.cuda.memory_reserved(self._device) + free
        torch.cuda.set_per_process_memory_fraction((1 - self._spare) * usable / total, self._device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, self._device)

"""Checkpoints: the last full state with a backup, and the best weights for averaging.

``checkpoints/last.ckpt`` is the whole state (weights, optimiser, schedule, sampler position, clocks); it is written
beside its place and renamed, and the one before stays as ``previous.ckpt``. ``checkpoints/update_N.safetensors`` are
the weights with the lowest dev losses, listed in ``best.json``.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from safetensors import safe_open
from safetensors.torch import load_file, save

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.models.build import MARK


def is_readable(path: Path) -> bool:
    """Whether a full checkpoint can be read to its end; a file cut short by a crash can not."""
    try:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError):
        return False


def last_checkpoint(folder: Path) -> Path | None:
    """The newest readable full checkpoint: ``last.ckpt``, else its backup, else None.

    A damaged one is named, and kept for a look under the name ``damaged.ckpt``.
    """
    for name in ("last.ckpt", "previous.ckpt"):
        path = folder / name
        if not path.exists():
            continue
        if is_readable(path):
            return path
        os.replace(path, folder / "damaged.ckpt")
        print(f"warning: {path} is damaged (kept as damaged.ckpt); the one before it is used", flush=True)
    return None


def belongs(path: Path, mark: str) -> bool:
    """Whether a full checkpoint is of the training with this fingerprint; those from before they had one are believed.

    Args:
        path: a readable one.
        mark: what the settings and data of a training come to.
    """
    held = torch.load(path, map_location="cpu", mmap=True, weights_only=False)
    return bool(held.get(MARK, mark) == mark)


def average(files: list[Path], mark: str) -> dict[str, torch.Tensor]:
    """The mean of several weight files, tensor by tensor; integer tensors are those of the first.

    Args:
        files: of one training.
        mark: its fingerprint.

    Raises:
        DataError: no files, or one of another training.
    """
    if not files:
        raise DataError("no weights to average", fix="train for at least training.validate_every updates")
    for path in files:
        with safe_open(path, framework="pt") as stored:
            if (stored.metadata() or {}).get(MARK, mark) != mark:
                problem = "holds weights of a training with other settings or data"
                raise DataError(problem, path=path, fix="two runs wrote into one folder: run it again with --force")
    states = [load_file(path) for path in files]
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in states[0].items()
    }


def _weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    """The weights of what is trained, by their names in the model; whole in the first process."""
    state = trainer.strategy.lightning_module_state_dict()
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}


class WholeFiles(TorchCheckpointIO):
    """Checkpoints written beside their place and renamed; lightning's own way writes them first where /tmp is."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            OSError: the disk is full, with the path.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getbuffer())


class Checkpoints(Callback):
    """Writes checkpoints after every validation.

    Args:
        folder: where to.
        keep: number of best weights.
        mark: fingerprint of the settings and data, kept with all that is written.
        keep_all: whether weights that are not among the best stay as well, for looks at the course of a training.
    """

    def __init__(self, folder: Path, keep: int, *, mark: str, keep_all: bool = False) -> None:
        self._folder = folder
        self.mark = mark
        self._keep = keep
        self._keep_all = keep_all
        self.dev_loss: float | None = None

    def best(self) -> list[dict[str, Any]]:
        """The kept weights, ``keep`` at most: ``update``, ``dev_loss`` and ``file``, the lowest loss first."""
        path = self._folder / "best.json"
        kept: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
        return kept[: self._keep]

    def forget(self) -> None:
        """Forget weights of a run that has no full checkpoint: a run that starts anew must not average them in."""
        (self._folder / "best.json").unlink(missing_ok=True)
        for path in self._folder.glob("update_*.safetensors"):
            path.unlink()

    def save(self, trainer: Trainer, module: LightningModule) -> None:
        """Write the full state, and the weights if they are among the best."""
        self._write(trainer, module)

    def save_last(self, trainer: Trainer) -> None:
        """Write the full state alone, to go on from."""
        self._write(trainer, None)

    def _write(self, trainer: Trainer, judged: LightningModule | None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        last, temporary = self._folder / "last.ckpt", self._folder / "writing.ckpt"
        trainer.save_checkpoint(temporary)
        # of all processes, as each may hold a share of the weights
        weights = {} if judged is None else _weights_of(trainer)
        if trainer.is_global_zero:
            # Weights first: a run killed between the two validates again, and writes the same weights once more.
            if self.dev_loss is not None and judged is not None:
                self._keep_weights(trainer.global_step, self.dev_loss, weights)
            if last.exists():
                os.replace(last, self._folder / "previous.ckpt")
            os.replace(temporary, last)

    def _keep_weights(self, update: int, dev_loss: float, weights: Mapping[str, torch.Tensor]) -> None:
        # A continued run forgets what a broken one wrote after its last full checkpoint.
        known = [entry for entry in self.best() if entry["update"] < update]
        name = f"update_{update:07d}.safetensors"
        ranked = sorted([*known, {"update": update, "dev_loss": dev_loss, "file": name}], key=lambda e: e["dev_loss"])
        kept = ranked[: self._keep]
        if self._keep_all or any(entry["file"] == name for entry in kept):
            state = {key: tensor.detach().cpu().contiguous() for key, tensor in weights.items()}
            write_atomically(self._folder / name, save(state, {MARK: self.mark}))
        write_atomically(self._folder / "best.json", json.dumps(kept, indent=1) + "\n")
        for path in () if self._keep_all else self._folder.glob("update_*.safetensors"):
            if path.name not in {entry["file"] for entry in kept}:
                path.unlink()

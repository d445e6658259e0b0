"""Lightning's trainer with this toolkit's checkpoints and log, for the joint model and for language models."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy

from jointst.common.errors import DataError, EnvironmentFault
from jointst.common.files import write_atomically
from jointst.data.batch import JointBatch, PairedBatch
from jointst.ranks.group import current
from jointst.training.checkpoints import WholeFiles, belongs, last_checkpoint
from jointst.training.log import Log
from jointst.training.memory import lower, shown
from jointst.training.module import JointModule
from jointst.training.sharding import Sharded


def set_aside(folder: Path, changed: str = "", *, forced: bool = False) -> None:
    """Move an earlier training to the first free ``<folder>.old-N``: nothing already written is lost.

    Args:
        folder: of the training.
        changed: what differs from it, for people; empty where that cannot be told.
        forced: whether nothing differs, and a new one is asked for all the same.
    """
    if not any(folder.glob("checkpoints/*.ckpt")) and not (folder / "model.safetensors").exists():
        return  # it broke off before there was anything to keep
    number = next(i for i in range(1, 10_000) if not Path(f"{folder}.old-{i}").exists())
    kept = folder.rename(f"{folder}.old-{number}")
    what = f"settings or data differ from the training in {folder}" + (f" ({changed})" if changed else "")
    what = f"the training in {folder} is set aside (--force)" if forced else what
    print(f"{what}: it is kept as {kept}, a new one starts", flush=True)


def take_up(folder: Path, mark: str, force: bool, changed: Callable[[], str] = str) -> Path | None:
    """Go on with the training in a folder, or set one of other settings or data aside.

    The checkpoint is asked as well as the folder's own fingerprint: it is what the new training would go on from.

    Args:
        folder: of the training.
        mark: fingerprint of the settings and data of now.
        force: whether to start anew in any case.
        changed: says what differs from the training in the folder.

    Returns:
        The checkpoint to go on from, if any.
    """
    marked = folder / "fingerprint.txt"
    if marked.is_file() and (force or marked.read_text() != mark):
        same = marked.read_text() == mark
        set_aside(folder, "" if same else changed(), forced=same)
    resumed = last_checkpoint(folder / "checkpoints")
    if resumed is not None and not belongs(resumed, mark):
        set_aside(folder)
        resumed = None
    write_atomically(marked, mark)
    if resumed is not None:
        print(f"going on from {resumed}", flush=True)
    return resumed


def _precision(wanted: str, ngpu: int) -> str:
    if wanted != "auto":
        return wanted
    return "bf16-mixed" if ngpu > 0 and torch.cuda.is_bf16_supported() else "32-true"


class _Current(Callback):
    """Knows the batch that is being worked on, for errors."""

    batch: Any = None

    def on_train_batch_start(self, trainer: lightning.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        """Note it."""
        self.batch = batch

    def on_validation_batch_start(
        self, trainer: lightning.Trainer, module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Note it."""
        self.batch = batch


def make_trainer(
    log: Callback,
    *callbacks: Callback,
    ngpu: int,
    precision: str,
    max_updates: int,
    validate_every: int,
    gradient_clip: float,
    accumulate: int = 1,
    sharding: Literal["none", "fsdp"] = "none",
) -> lightning.Trainer:
    """A trainer.

    Args:
        log: is told of every update; a :class:`Log` writes losses and checkpoints.
        callbacks: told likewise, after it.
        ngpu: GPUs of this node; 0 for the CPU.
        precision: lightning's name, or auto.
        max_updates: updates to train for.
        validate_every: updates between validations.
        gradient_clip: largest norm of the gradient.
        accumulate: batches for each update.
        sharding: whether several processes share one model, or hold a copy each.
    """
    place = current().place
    environment: ClusterEnvironment = LightningEnvironment() if place is None else TorchElasticEnvironment()
    strategy: str | DDPStrategy = "auto"
    if place is not None:
        strategy = Sharded() if sharding == "fsdp" else DDPStrategy()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning", message=".*(num_workers|IterableDataset|isinstance|srun).*")
    return lightning.Trainer(
        accelerator="gpu" if ngpu > 0 else "cpu",
        devices=1 if place is None else place.local_world,
        num_nodes=1 if place is None else place.nodes,
        strategy=strategy,
        precision=_precision(precision, ngpu),  # type: ignore[arg-type]
        max_steps=max_updates,
        max_epochs=-1,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=gradient_clip,
        val_check_interval=validate_every * accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=[log, _Current(), *callbacks],
        plugins=[WholeFiles(), environment],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _plain(error: DataError) -> DataError:
    """A loader process's error without its traceback, which torch puts into the message."""
    before, mark, message = str(error).rpartition(f"{DataError.__module__}.{DataError.__name__}: ")
    return DataError(message.strip()) if mark and "Traceback" in before else error


def _out_of_memory(trainer: lightning.Trainer, module: lightning.LightningModule, error: Exception) -> str:
    """Which update ran out of memory, on what, and what to do."""
    kind = "GPU " if isinstance(error, torch.cuda.OutOfMemoryError) else ""
    said, what = f"update {trainer.global_step}: out of {kind}memory", "lower lm.batch.max_positions"
    batch = _batch(trainer)
    if isinstance(module, JointModule) and batch is not None:
        said += f" on {shown(batch, module.config.row)}"
        what = lower(batch)
    return f"{said}; what to do: {what}; the last checkpoint stays ({str(error).partition(chr(10))[0]})"


def _batch(trainer: lightning.Trainer) -> JointBatch | PairedBatch | None:
    """The batch of speech that is or was last worked on."""
    known = next(item for item in trainer.callbacks if isinstance(item, _Current))  # type: ignore[attr-defined]
    return known.batch if isinstance(known.batch, (JointBatch, PairedBatch)) else None


def _loader_died(trainer: lightning.Trainer, module: lightning.LightningModule, error: Exception) -> str:
    """What to do where a loader process has ended."""
    first, batch = str(error).strip().splitlines()[0], _batch(trainer)
    said = f"update {trainer.global_step}: a process that reads batches ahead has ended: {first}"
    if isinstance(module, JointModule) and batch is not None:
        said += f"; the last batch had {shown(batch, module.config.row)}"
    fix = "it is killed for want of memory most often: lower training.workers, or set it to 0; then run it again"
    return f"{said}; what to do: {fix}, which goes on from the last checkpoint"


def fit(
    trainer: lightning.Trainer,
    log: Log,
    module: lightning.LightningModule,
    data: lightning.LightningDataModule,
    resumed: Path | None,
) -> None:
    """Train, and close the log.

    Args:
        trainer: the trainer.
        log: its log.
        module: what is trained.
        data: its batches.
        resumed: full checkpoint to go on from.

    Raises:
        EnvironmentFault: out of memory, or a loader process has ended, with the update and its utterances.
        KeyboardInterrupt: interrupted.
        Stopped: told to stop where it can go on.
    """
    kwargs: dict[str, Any] = {"ckpt_path": resumed}
    try:
        trainer.fit(module, data, **kwargs)
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise EnvironmentFault(_out_of_memory(trainer, module, error)) from None
    except DataError as error:
        raise _plain(error) from None
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # torch's word for the main memory
            raise EnvironmentFault(_out_of_memory(trainer, module, error)) from None
        if str(error).startswith("DataLoader worker"):
            raise EnvironmentFault(_loader_died(trainer, module, error)) from None
        if not any(mark in str(error) for mark in ("workers are out of shared memory", "</torch_")):
            raise
        fix = "give it more, as docker run --shm-size=8g does, or set training.workers: 0"
        first = str(error).strip().splitlines()[0]
        raise EnvironmentFault(
            f"/dev/shm, through which loader processes hand batches on, is full: {first} ({fix})"
        ) from None
    except SystemExit:
        if trainer.interrupted:  # lightning turns Ctrl-C into an exit with status 1
            raise KeyboardInterrupt from None
        raise
    finally:
        log.close()

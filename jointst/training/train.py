"""Stage 6: train the joint model, or go on with it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
import warnings
from pathlib import Path

import lightning
import torch
from safetensors.torch import save_file

from jointst.build import build_model, choose_device, describe, load_statistics, read_symbols
from jointst.config import Config
from jointst.errors import DataError, EnvironmentFault
from jointst.load_config import to_yaml
from jointst.stage import Context, Made, write_atomically
from jointst.threads import set_threads
from jointst.training.checkpoints import Checkpoints, average, last_checkpoint
from jointst.training.data import JointData
from jointst.training.log import Log
from jointst.training.module import JointModule
from jointst.versions import versions

MAY_CHANGE = ("max_updates", "max_time", "validate_every", "keep_best", "workers", "on_collapse")
"""Training settings that a continued run may change; any other change starts anew."""


def fingerprint(context: Context) -> str:
    """A hash of everything that training depends on: settings, symbol tables, statistics, transcripts."""
    config = context.config
    sections = {name: dataclasses.asdict(getattr(config, name)) for name in ("data", "model", "loss", "training")}
    for key in MAY_CHANGE:
        del sections["training"][key]
    digest = hashlib.sha256(json.dumps(sections, sort_keys=True).encode())
    files = [context.data / "tokenizer" / "tokenizer.model", context.data / "lang" / "phones.txt"]
    files += [context.data / "cmvn.npz"] if config.features.cmvn == "global" else []
    for name in (*config.data.train, *config.data.unpaired):
        files += [context.data / name / "text", context.data / name / "phones"]
    for path in files:
        if not path.is_file():
            raise DataError("is missing", path=path, fix="run the stages before this one")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _set_aside(folder: Path) -> None:
    """Move an earlier training to the first free ``<folder>.old-N``: nothing already written is lost."""
    if not any(folder.glob("checkpoints/*.ckpt")) and not (folder / "model.safetensors").exists():
        return  # it broke off before there was anything to keep
    number = next(i for i in range(1, 10_000) if not Path(f"{folder}.old-{i}").exists())
    kept = folder.rename(f"{folder}.old-{number}")
    print(f"settings or data differ from the training in {folder}: it is kept as {kept}, a new one starts", flush=True)


def _precision(config: Config, ngpu: int) -> str:
    if config.training.precision != "auto":
        return config.training.precision
    return "bf16-mixed" if ngpu > 0 and torch.cuda.is_bf16_supported() else "32-true"


def _trainer(context: Context, checkpoints: Checkpoints, log: Log) -> lightning.Trainer:
    training = context.config.training
    many = context.ngpu > 1
    return lightning.Trainer(
        accelerator="gpu" if context.ngpu > 0 else "cpu",
        devices=max(1, context.ngpu),
        # CTC alone is trained first: the rest of the model has no gradient then.
        strategy="ddp_find_unused_parameters_true" if many else "auto",
        precision=_precision(context.config, context.ngpu),  # type: ignore[arg-type]
        max_steps=training.max_updates,
        max_epochs=-1,
        accumulate_grad_batches=training.accumulate,
        gradient_clip_val=training.gradient_clip,
        val_check_interval=training.validate_every * training.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=[log],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def run(context: Context) -> Made:
    """Train until ``training.max_updates`` or ``training.max_time``, then average the best weights.

    Raises:
        CollapseError: the loss is not finite or states have collapsed.
        DataError: missing inputs, or an utterance larger than a batch.
    """
    config = context.config
    set_threads(None)
    choose_device(context.ngpu)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning", message=".*(num_workers|IterableDataset|isinstance).*")
    mark = fingerprint(context)
    folder = context.exp
    marked = folder / "fingerprint.txt"
    if marked.is_file() and (context.force or marked.read_text() != mark):
        _set_aside(folder)
    write_atomically(marked, mark)
    write_atomically(folder / "config.yaml", to_yaml(config))
    write_atomically(folder / "versions.json", json.dumps(versions(), indent=1) + "\n")

    symbols = read_symbols(config, context.data)
    torch.manual_seed(config.training.seed)
    model = build_model(config, symbols)
    load_statistics(model, config, context.data)
    print(f"parameters: {describe(model)}", flush=True)
    checkpoints = Checkpoints(folder / "checkpoints", config.training.keep_best)
    log = Log(folder, checkpoints, config.training.max_time)
    trainer = _trainer(context, checkpoints, log)
    resumed = last_checkpoint(folder / "checkpoints")
    if resumed is not None:
        print(f"going on from {resumed}", flush=True)
    started = time.monotonic()
    try:
        trainer.fit(JointModule(model, config), JointData(config, context.data, symbols), ckpt_path=resumed)
    except torch.cuda.OutOfMemoryError as error:
        raise EnvironmentFault(
            f"out of GPU memory ({error}); lower training.speech_batch.max_lattice or max_positions"
        ) from None
    finally:
        log.close()
    if trainer.interrupted:
        raise KeyboardInterrupt
    best = checkpoints.best()
    averaged = average([folder / "checkpoints" / entry["file"] for entry in best])
    temporary = folder / "writing.safetensors"
    save_file(averaged, temporary)
    temporary.replace(folder / "model.safetensors")
    minutes = (time.monotonic() - started) / 60
    what = f"model after {trainer.global_step} updates ({minutes:.1f} min), the mean of {len(best)} checkpoints"
    return Made(what=what, where=folder / "model.safetensors")

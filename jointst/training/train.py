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
from safetensors.torch import save

from jointst.build import build_model, choose_device, describe, digest_symbols, load_statistics, read_symbols
from jointst.config import Config
from jointst.errors import DataError, EnvironmentFault
from jointst.load_config import to_yaml
from jointst.stage import Context, Made, write_atomically
from jointst.threads import set_threads
from jointst.training.checkpoints import Checkpoints, WholeFiles, average, last_checkpoint
from jointst.training.data import JointData
from jointst.training.log import Log
from jointst.training.module import JointModule
from jointst.versions import versions

MAY_CHANGE = ("max_updates", "max_time", "validate_every", "keep_best", "workers", "on_collapse")
"""Training settings that a continued run may change; any other change starts anew."""
NOT_TRAINED_ON = ("root", "test", "max_tokens_per_second")
"""Data settings that training does not depend on: a new test set must not cost a new training."""


def fingerprint(context: Context) -> str:
    """A hash of everything that training depends on: settings, symbol tables, statistics, transcripts."""
    config = context.config
    names = ("data", "features", "model", "loss", "training")
    sections = {name: dataclasses.asdict(getattr(config, name)) for name in names}
    for section, keys in (("training", MAY_CHANGE), ("data", NOT_TRAINED_ON), ("features", ("max_failures",))):
        for key in keys:
            del sections[section][key]
    if not config.training.dynamic_chunks:
        del sections["training"]["dynamic_chunks"]  # trainings from before there was the setting go on
    sections["text_input"] = {"kind": config.tokenizer.text_input}
    digest = hashlib.sha256(json.dumps(sections, sort_keys=True).encode())
    sets = [context.data / name for name in (*config.data.train, *config.data.unpaired)]
    files = {path / "text": "run stage 1, corpus" for path in sets}
    files |= {path / "phones": "run stage 3, lexicon" for path in sets}
    files[context.data / "lang" / "phones.txt"] = "run stage 3, lexicon"
    if config.features.cmvn == "global":
        files[context.data / "cmvn.npz"] = "run stage 4, features"
    files[context.data / "tokenizer" / "tokenizer.model"] = "run stage 5, tokenizer"
    for path, fix in files.items():
        if not path.is_file():
            raise DataError("is missing", path=path, fix=fix)
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
        plugins=[WholeFiles()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _plain(error: DataError) -> DataError:
    """A loader process's error without its traceback, which torch puts into the message."""
    before, mark, message = str(error).rpartition(f"{DataError.__module__}.{DataError.__name__}: ")
    return DataError(message.strip()) if mark and "Traceback" in before else error


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

    for sentence in config.idle():
        print(f"warning: {sentence}", flush=True)
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
    else:
        checkpoints.forget()
    started = time.monotonic()
    try:
        trainer.fit(JointModule(model, config), JointData(config, context.data, symbols), ckpt_path=resumed)
    except torch.cuda.OutOfMemoryError as error:
        raise EnvironmentFault(
            f"out of GPU memory ({error}); lower training.speech_batch.max_lattice or max_positions"
        ) from None
    except DataError as error:
        raise _plain(error) from None
    except SystemExit:
        if trainer.interrupted:  # lightning turns Ctrl-C into an exit with status 1
            raise KeyboardInterrupt from None
        raise
    finally:
        log.close()
    if not trainer.is_global_zero:
        raise SystemExit(0)  # one process of several writes the result
    best = checkpoints.best()
    averaged = average([folder / "checkpoints" / entry["file"] for entry in best])
    write_atomically(folder / "model.safetensors", save(averaged, {"symbols": digest_symbols(context.data)}))
    minutes = (time.monotonic() - started) / 60
    what = f"model after {trainer.global_step} updates ({minutes:.1f} min), the mean of {len(best)} checkpoints"
    return Made(what=what, where=folder / "model.safetensors")

"""Stage 6: train the joint model, or go on with it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save

from jointst.common.devices import choose_device
from jointst.common.files import write_atomically
from jointst.common.threads import set_threads
from jointst.common.units import Seconds
from jointst.common.versions import hardware, versions
from jointst.config.context import Context, Made
from jointst.config.load import to_yaml
from jointst.models.build import (
    MARK,
    about_tables,
    build_model,
    describe,
    keep_form,
    keep_symbols,
    load_pretrained,
    load_statistics,
    read_symbols,
)
from jointst.models.joint import JointModel
from jointst.ranks.group import current
from jointst.ranks.same import check_same, mark_of_file, mark_of_weights, marks
from jointst.training.begin import begin, changed_since, find_start, recorded
from jointst.training.checkpoints import Checkpoints, average
from jointst.training.compiling import compile_layers
from jointst.training.data import JointData
from jointst.training.feed import Feed
from jointst.training.fill import KEPT, settle, settled
from jointst.training.fingerprint import fingerprint, keep_inputs, read_files, what_changed
from jointst.training.forecast import Forecast
from jointst.training.freeze import check_frozen
from jointst.training.graphs import graph_stacks
from jointst.training.log import Log
from jointst.training.memory import hardest
from jointst.training.module import JointModule
from jointst.training.pace import phases
from jointst.training.stopping import Stopping
from jointst.training.take_over import TakeOver
from jointst.training.time_to_go import TimeToGo
from jointst.training.trainer import fit, make_trainer, take_up


def _look(context: Context) -> tuple[str, TakeOver | None]:
    """The fingerprint, and what the training takes from a trained model if it begins; nothing is written.

    Raises:
        ConfigError, DataError: ``training.start_from`` or ``training.freeze`` cannot be.
    """
    config, start_from = context.config, context.config.training.start_from
    if start_from is None:
        mark = fingerprint(context)  # which names what is missing of the data
        check_frozen(config, read_symbols(config, context.data))
        return mark, None
    symbols = read_symbols(config, context.data)
    check_frozen(config, symbols)
    known = recorded(context)
    if known is not None:
        mark, marked = fingerprint(context, known), context.exp / "fingerprint.txt"
        if marked.is_file() and marked.read_text() == mark:
            sentence = changed_since(Path(start_from), known)
            if sentence:
                print(f"note: {sentence}", flush=True)
            return mark, None
    found = find_start(context, symbols)
    return fingerprint(context, found.start.sha256), found


@dataclass(frozen=True)
class _Trained:
    """What a training has come to.

    Attributes:
        checkpoints: with the best weights.
        mark: fingerprint of the settings and data.
        updates: that the model has had.
        seconds: of this run.
    """

    checkpoints: Checkpoints
    mark: str
    updates: int
    seconds: Seconds


def run(context: Context) -> Made:
    """Train until ``training.max_updates`` or ``training.max_time``, then average the best weights.

    Of several processes, this is the first, which alone writes; the others :func:`follow`.

    Raises:
        CollapseError: the loss is not finite or states have collapsed.
        ConfigError: settings that do not go with the model to start from, or with what is to be frozen.
        DataError: missing inputs, an utterance larger than a batch, or no model to start from; or another process sees
            other data.
        EnvironmentFault: the GPU cannot hold a batch that may be drawn.
        Stopped: told to stop, with a checkpoint to go on from.
    """
    folder = context.exp
    trained = _train(context)
    current().finished()
    best = trained.checkpoints.best()
    averaged = average([folder / "checkpoints" / entry["file"] for entry in best], trained.mark)
    metadata = {**about_tables(context.config, context.data), MARK: trained.mark}
    write_atomically(folder / "model.safetensors", save(averaged, metadata))
    minutes = trained.seconds / 60
    what = f"model after {trained.updates} updates ({minutes:.1f} min), the mean of {len(best)} checkpoints"
    return Made(what=what, where=folder / "model.safetensors")


def follow(context: Context) -> None:
    """The part of a process beside the first; raises what :func:`run` does."""
    _train(context)


def _begin_or_go_on(context: Context) -> tuple[str, TakeOver | None, Path | None]:
    """The fingerprint, what a training that begins takes over, and the checkpoint of one that goes on.

    The first process prepares the folder, as the others learn when it has.
    """
    group, folder = current(), context.exp
    if not group.first:
        resumed = group.told("resumed")
        mark, taken = _look(context)
        return mark, taken, None if resumed is None else Path(resumed)
    mark, taken = _look(context)
    resumed = take_up(folder, mark, context.force, lambda: what_changed(context))
    write_atomically(folder / "config.yaml", to_yaml(context.config))
    keep_inputs(context)
    made = versions() | {"hardware": hardware(context.ngpu)}
    write_atomically(folder / "versions.json", json.dumps(made, indent=1) + "\n")
    keep_symbols(folder, context.data)
    group.tell("resumed", None if resumed is None else str(resumed))
    return mark, taken, resumed


def _check_same(context: Context, mark: str, model: JointModel, resumed: Path | None) -> None:
    """All processes have the same data, settings and weights.

    Raises:
        DataError: one has not, with its rank and what differs.
    """
    group = current()
    if group.place is None:
        return
    files = [path for path in read_files(context) if path.name != "text"]
    data = context.config.data
    for name in (*data.train, *data.pseudo, *data.dev, *data.unpaired):
        files += [context.data / name / file for file in ("text", "utt2lang")]
    files += [context.data / name / "feats.scp" for name in (*data.train, *data.pseudo, *data.dev)]
    weights = {"checkpoint": mark_of_file(resumed)} if resumed else {"weights": mark_of_weights(model.state_dict())}
    settings = hashlib.sha256(to_yaml(context.config).encode()).hexdigest()
    found = {"settings": settings, "settings and data (fingerprint)": mark, **weights}
    check_same(group, marks([path for path in files if path.name != "utt2lang" or path.is_file()], found))


def _train(context: Context) -> _Trained:
    """Train, as any of several processes, or alone."""
    config, folder, group = context.config, context.exp, current()
    set_threads(None)
    choose_device(context.ngpu)
    mark, taken, resumed = _begin_or_go_on(context)
    for sentence in config.idle():
        print(f"warning: {sentence}", flush=True)
    symbols = read_symbols(config, context.data)
    torch.manual_seed(config.training.seed)
    model = build_model(config, symbols)
    load_statistics(model, config, context.data)
    if group.first:
        keep_form(folder, model)
    print(f"parameters: {describe(model)}", flush=True)
    training = config.training
    checkpoints = Checkpoints(folder / "checkpoints", training.keep_best, mark=mark, keep_all=training.keep_all)
    feed = Feed(config.row)
    to_go = TimeToGo(phases(config.loss), training.max_updates, training.validate_every)
    shared = training.sharding == "fsdp" and group.place is not None
    if training.sharding == "fsdp" and not shared:
        print("warning: training.sharding does nothing: one process has all of the model (--nproc, --ngpu)", flush=True)
    forecast = None if shared else Forecast(config)  # which is of a copy of the model
    log = Log(folder, checkpoints, training.max_time, to_go=to_go, feed=feed, forecast=forecast)
    trainer = make_trainer(
        log,
        Stopping(checkpoints, training.validate_every, config.row),
        ngpu=context.ngpu,
        precision=training.precision,
        max_updates=training.max_updates,
        validate_every=training.validate_every,
        gradient_clip=training.gradient_clip,
        accumulate=training.accumulate,
        sharding=training.sharding,
    )
    if resumed is None:
        if group.first:
            checkpoints.forget()
            (folder / KEPT).unlink(missing_ok=True)
        if taken is None:
            load_pretrained(model, config)
        begin(folder, model, taken, config, says=group.first)
    _check_same(context, mark, model, resumed)
    started = time.monotonic()
    if training.compile:
        compile_layers(model)
    data = JointData(config, context.data, symbols)
    if not shared:  # one device alone is not to hold all, and so nothing can be tried there
        settle(trainer, model, data, folder, hardest(phases(config.loss), training.max_updates))
    if group.first:
        group.tell("settled", True)
    else:
        group.told("settled")
    if training.captures(max(context.ngpu, group.world) if context.ngpu else 0):
        graph_stacks(model)
    data.config = settled(config, folder)
    feed.bound(data.config.training.speech_batch)
    fit(trainer, log, JointModule(model, config), data, resumed)
    return _Trained(checkpoints, mark, trainer.global_step, time.monotonic() - started)

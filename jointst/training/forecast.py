"""What a training will cost on this machine: some updates of each phase and a bit of a validation, timed beforehand.

They are made on a copy of the model, with random numbers of their own: the training is to the bit what it is without.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import gc
import math
import statistics
import time
from collections.abc import Iterator

import torch
from lightning import LightningModule, Trainer
from torch.optim import Optimizer

from jointst.common.errors import CollapseError
from jointst.common.units import Seconds
from jointst.config import Config
from jointst.data.batch import JointBatch
from jointst.training.compiling import compile_layers, is_compiled
from jointst.training.data import JointData
from jointst.training.freeze import as_in_the_end
from jointst.training.graphs import graph_stacks, is_graphed
from jointst.training.module import JointModule
from jointst.training.pace import alone, phases
from jointst.training.schedule import optimisation
from jointst.training.time_to_go import Costs, TimeToGo, in_words, updates_left, validations_left

BATCHES = 5
"""Batches, spread over lengths, that each phase is timed on."""
LONGEST: Seconds = 20.0
"""Time after which no more updates are tried; each phase has one at least."""
SHARE = 0.05
"""Share of the training after which no more updates are tried."""
WORTH = 100
"""Updates that are left from which on a forecast is worth its time."""
DAY: Seconds = 86_400.0


class Forecast:
    """Times a training before it starts, and prints what it will cost.

    Args:
        config: all settings.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._begins = phases(config.loss)

    def __call__(self, trainer: Trainer, module: LightningModule) -> Costs | None:
        """Seconds of an update in each phase that is left, and of a validation; None where little is left, or where a
        GPU has no room for a second model beside the one that is trained.

        Args:
            trainer: about to begin, with a :class:`~jointst.training.data.JointData`.
            module: a :class:`~jointst.training.module.JointModule`, on its device.
        """
        assert isinstance(module, JointModule)
        done, updates, every = trainer.global_step, trainer.max_steps, self._config.training.validate_every
        left = updates_left(self._begins, done, updates)
        if updates - done < WORTH:
            return None
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, JointData)
        device = module.device
        costs: Costs | None = None
        with (
            contextlib.suppress(torch.cuda.OutOfMemoryError),
            torch.random.fork_rng([device] if device.type == "cuda" else []),
        ):
            costs = _Samples(trainer, module, left).costs(data, validations_left(done, updates, every))
        if device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
        if costs is None:
            print("no forecast: the GPU has no room for a second model, which the training does not need", flush=True)
            return None
        self._print(costs, done, updates)
        return costs

    def _print(self, costs: Costs, done: int, updates: int) -> None:
        """The table; the time in all is that of what is left."""
        every = self._config.training.validate_every
        left = updates_left(self._begins, done, updates)
        seconds = {phase: (count, costs.updates[phase]) for phase, count in left.items()}
        seconds |= {"validation": (validations_left(done, updates, every), costs.validation)}
        lines = ["what is to come, by a few updates each:", "phase         updates  s an update   minutes"]
        lines += [
            f"{phase:<12s} {count:8d} {one:12.3f} {count * one / 60:9.1f}" for phase, (count, one) in seconds.items()
        ]
        whole = TimeToGo(self._begins, updates, every, costs).left(done)
        assert whole is not None
        most = self._config.training.max_time or math.inf
        lines.append(f"about {in_words(min(whole, most))} in all")
        if most < whole:
            lines[-1] += f", by training.max_time; without it {in_words(whole)}"
        if min(whole, most) > DAY:
            lines.append(
                "that is more than a day; what to do: fewer updates (training.max_updates), a GPU or more (--ngpu), a "
                "smaller model (model.size), a band instead of the whole lattice (model.decoder.band), or shorter "
                "sentences (corpus.longest_phrase)"
            )
        print("\n".join(lines), flush=True)


class _Samples:
    """Updates of a copy of the model.

    Args:
        trainer: knows the arithmetic.
        module: what is trained.
        left: updates that are left in each phase.
    """

    def __init__(self, trainer: Trainer, module: JointModule, left: dict[str, int]) -> None:
        self._trainer = trainer
        self._left = left
        self._device = module.device
        self._model = copy.deepcopy(module.model).train()
        if is_compiled(module.model):
            compile_layers(self._model)  # which a copy is not
        if is_graphed(module.model):
            graph_stacks(self._model)
        config = as_in_the_end(module.config)
        self._modules: dict[str, JointModule] = {
            phase: JointModule(self._model, dataclasses.replace(config, loss=alone(config.loss, phase)))
            for phase, _ in phases(module.config.loss)
            if phase in left
        }
        self._training = module.config.training
        optimizer = optimisation(self._model, self._training)["optimizer"]
        assert isinstance(optimizer, Optimizer)
        self._optimizer = optimizer

    def costs(self, data: JointData, validations: int) -> Costs:
        """The means over some batches; seconds of reading count unless other processes read."""
        began = time.perf_counter()
        batches, reading = self._read(data)
        times: dict[str, list[Seconds]] = {phase: [] for phase in self._modules}
        for phase in self._modules:
            self._update(phase, batches[-1])  # the shortest: compilers, caches
        for batch in batches:
            for phase, own in times.items():
                if own and time.perf_counter() - began > self._most(times):
                    continue
                own.append(self._update(phase, batch))
        accumulate = self._training.accumulate
        updates = {phase: accumulate * (reading + statistics.fmean(own)) for phase, own in times.items()}
        return Costs(updates=updates, validation=self._validation(data) if validations else 0.0)

    def _most(self, times: dict[str, list[Seconds]]) -> Seconds:
        whole = sum(self._left[phase] * statistics.fmean(own) for phase, own in times.items() if own)
        return min(LONGEST, SHARE * whole)

    def _read(self, data: JointData) -> tuple[list[JointBatch], Seconds]:
        """Batches, from the one of middle length on outwards, and the time it takes to read one here."""
        began = time.perf_counter()
        batches = data.spread(BATCHES)
        loader = self._trainer.train_dataloader
        seconds = (time.perf_counter() - began) / len(batches)
        return batches, 0.0 if getattr(loader, "num_workers", 0) else seconds

    @contextlib.contextmanager
    def _timed(self, times: list[Seconds]) -> Iterator[None]:
        began = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        times.append(time.perf_counter() - began)

    def _update(self, phase: str, batch: JointBatch) -> Seconds:
        times: list[Seconds] = []
        # A loss that is not finite is for the training to tell of, if it meets it.
        with self._timed(times), contextlib.suppress(CollapseError):
            with self._trainer.precision_plugin.train_step_context():
                loss = self._modules[phase].training_step(batch.to(self._device), 0)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._training.gradient_clip)
            self._optimizer.step()
        self._optimizer.zero_grad()
        return times[0]

    def _validation(self, data: JointData) -> Seconds:
        """Seconds of all dev sets, by some of their batches."""
        began, (batches, share) = time.perf_counter(), data.spread_dev(BATCHES // 2)
        module = next(iter(self._modules.values()))
        self._model.eval()
        times: list[Seconds] = [time.perf_counter() - began]
        for number, batch in enumerate(batches):
            with self._timed(times), torch.no_grad(), self._trainer.precision_plugin.val_step_context():
                module.validation_step(batch.to(self._device), number)
        return sum(times) / share

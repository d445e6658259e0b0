"""Loader processes, and utterances that are longer than a batch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numba
import pytest
import torch
from torch.utils.data import IterableDataset

from jointst.build import read_symbols
from jointst.config import Config, SpeechBatchConfig
from jointst.errors import DataError
from jointst.stage import Context
from jointst.training import data
from jointst.training.data import JointData, loader_processes, training_set


def test_loader_processes_where_none_are_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    for cpus, gpus, expected in ((64, 1, 8), (16, 4, 3), (6, 1, 5), (2, 1, 1), (4, 4, 1), (64, 0, 0)):
        monkeypatch.setattr(data, "available_cpus", lambda cpus=cpus: cpus)
        assert loader_processes(None, gpus) == expected
        assert loader_processes(3, gpus) == 3
        assert loader_processes(0, gpus) == 0


class Threads(IterableDataset[Any]):
    """How many threads the libraries of its process use."""

    def __iter__(self) -> Iterator[Any]:
        yield [torch.get_num_threads(), numba.get_num_threads(), os.environ["OMP_NUM_THREADS"]]


def test_a_loader_process_uses_one_thread(toy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    joint = JointData(toy.config, toy.data, read_symbols(toy.config, toy.data))
    joint.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cpu")))  # type: ignore[assignment]
    loader = joint._loader(Threads(), 1)
    assert not loader.pin_memory
    assert loader.persistent_workers
    assert list(loader) == [[1, 1, "1"]]
    joint.trainer.strategy.root_device = torch.device("cuda")
    joint.trainer.num_devices = 2
    assert joint._loader(Threads(), 1).pin_memory


def bounded(toy: Context, bounds: SpeechBatchConfig) -> Config:
    return dataclasses.replace(toy.config, training=dataclasses.replace(toy.config.training, speech_batch=bounds))


def test_an_utterance_longer_than_any_batch_is_refused(toy: Context) -> None:
    config = bounded(toy, SpeechBatchConfig(max_seconds=0.5, max_positions=60))
    with pytest.raises(DataError, match=r"utterance \S+: is \d\.\d+ s long, \d+ frames .*max_positions to \d+"):
        training_set(config, toy.data, read_symbols(toy.config, toy.data))


def test_an_utterance_of_more_seconds_than_a_batch_is_one_of_its_own(toy: Context) -> None:
    symbols = read_symbols(toy.config, toy.data)
    paired = training_set(toy.config, toy.data, symbols)[1]
    longest = max(paired.frames)
    batches = training_set(bounded(toy, SpeechBatchConfig(max_seconds=0.5)), toy.data, symbols)[0]
    sizes = [batches.batch(step).paired.feature_lengths for step in range(len(paired.frames))]
    assert {len(own) for own in sizes if own.max() == longest} == {1}
    assert max(len(own) * int(own.max()) for own in sizes) <= longest

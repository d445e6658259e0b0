"""Loader processes, and utterances that are longer than a batch."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest
import torch
from torch.utils.data import IterableDataset

from jointst.common.errors import DataError
from jointst.config import BatchConfig, Config, SpeechBatchConfig
from jointst.config.context import Context
from jointst.data import dataset, sampler, stores, windows
from jointst.data.stored_speech import StoredSpeech
from jointst.data.stored_texts import StoredTexts
from jointst.models.build import read_symbols
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


def process(toy: Context, state: dict[str, Any] | None, *, rank: int = 0, world: int = 1) -> JointData:
    """The data of one of several processes, whose batches are of two; it begins, or goes on from a state."""
    training = dataclasses.replace(
        toy.config.training,
        speech_batch=SpeechBatchConfig(max_utterances=2),
        text_batch=BatchConfig(max_utterances=2),
    )
    data = dataclasses.replace(toy.config.data, unpaired=("t_dev", "t_train"))
    config = dataclasses.replace(toy.config, training=training, data=data)
    joint = JointData(config, toy.data, read_symbols(config, toy.data))
    device = SimpleNamespace(root_device=torch.device("cpu"))
    joint.trainer = SimpleNamespace(global_rank=rank, world_size=world, global_step=0, strategy=device)  # type: ignore[assignment]
    joint.prepare_data()
    joint.setup("fit")
    if state is not None:
        joint.load_state_dict(state)
    joint.train_dataloader()
    return joint


Names = tuple[tuple[str, ...], tuple[str, ...]]
"""Of the paired utterances and of the unpaired sentences of a batch."""


def names(joint: JointData, step: int) -> Names:
    batch = joint._joint.batch(step)
    assert batch.unpaired is not None
    return tuple(batch.paired.utterances), tuple(batch.unpaired.utterances)


def in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sets are too large for one window."""
    monkeypatch.setattr(windows, "BLOCK", 2)
    for module in (windows, sampler, dataset):
        monkeypatch.setattr(module, "WINDOW", 6)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("worlds", [(4, 2), (2, 4), (1, 3, 2)])
def test_every_utterance_once_whatever_the_number_of_processes(
    worlds: tuple[int, ...], large: bool, toy: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training goes on by other numbers of processes, after every second step."""
    if large:
        in_windows(monkeypatch)
    seen: list[Names] = []
    state: dict[str, Any] | None = None
    for turn, world in enumerate([*worlds, 1]):
        processes = [process(toy, state, rank=rank, world=world) for rank in range(world)]
        steps = range(2 * turn, 2 * turn + 2 if turn < len(worlds) else 40)
        seen += [names(own, step) for step in steps for own in processes]
        processes[0].trainer.global_step = steps.stop  # type: ignore[union-attr, misc]
        states = [own.state_dict() for own in processes[:1]]
        state = states[0]
        assert state["next_step"] == steps.stop
        assert state["batches"] == len(seen)
    alone = process(toy, None)
    assert seen == [names(alone, step) for step in range(len(seen))], "no batch twice, and none left out"
    for kind, count in enumerate((8, 20)):
        drawn = [name for batch in seen for name in batch[kind]]
        assert max(Counter(drawn[:count]).values()) == 1
        assert len(set(drawn[:count])) == count, "an epoch has every one once"


def test_checkpoints_from_before_go_on_or_are_refused(toy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """They know the number of steps alone; large sets were drawn in another order then."""
    alone = process(toy, None)
    pair = [process(toy, {"next_step": 3}, rank=rank, world=2) for rank in range(2)]
    assert [names(own, step) for step in (3, 4) for own in pair] == [names(alone, number) for number in range(6, 10)]
    in_windows(monkeypatch)
    with pytest.raises(DataError, match=r"more than 6 sentences or utterances in another order.*--force"):
        process(toy, {"next_step": 3})
    with pytest.raises(DataError, match="in another order"):
        process(toy, {"next_step": 3, "batches": 3, "windows": {}, "order": 0})


def test_speech_and_text_are_prepared_once_and_read_from_disk(toy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    joint = process(toy, None)
    monkeypatch.setattr(stores, "write_store", None)
    again = process(toy, None)
    assert isinstance(again.sets[0], StoredSpeech)
    assert isinstance(again.sets[1], StoredTexts)
    assert names(again, 5) == names(joint, 5)


def test_without_a_text_branch_no_text_is_prepared(toy: Context) -> None:
    data = dataclasses.replace(toy.config.data, unpaired=("t_dev",))
    loss = dataclasses.replace(toy.config.loss, text=0.0)
    joint = JointData(
        dataclasses.replace(toy.config, data=data, loss=loss), toy.data, read_symbols(toy.config, toy.data)
    )
    joint.prepare_data()
    assert joint.sets[1] is None
    assert not list(Path(toy.data).glob("t_dev/.symbols"))

"""Speech that is read from stores on disk is what speech in memory is."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from jointst.common.errors import DataError
from jointst.config import BatchConfig
from jointst.config.context import Context
from jointst.data import stores, text_records
from jointst.data.batch import PairedBatch
from jointst.data.dataset import PairedSet, read_directories
from jointst.data.sampler import BucketSampler
from jointst.data.stored_speech import StoredSpeech, open_speech
from jointst.data.symbols import Symbols
from jointst.kaldi.durations import write_durations
from jointst.kaldi.tables import read_table, write_table
from jointst.models.build import read_symbols
from jointst.training.data import read_paired

SETS = ("t_train", "t_test")


@pytest.fixture
def symbols(toy: Context) -> Symbols:
    return read_symbols(toy.config, toy.data)


def opened(toy: Context, symbols: Symbols, durations: Path | None = None) -> StoredSpeech:
    found = open_speech([toy.data / name for name in SETS], symbols, durations=durations)
    assert found is not None
    return found


def same(one: PairedBatch, other: PairedBatch) -> bool:
    values = [(getattr(one, item.name), getattr(other, item.name)) for item in dataclasses.fields(PairedBatch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in values)


def check_same(speech: StoredSpeech, held: PairedSet) -> None:
    count = len(held.utterances)
    assert list(speech.utterances) == list(held.utterances)
    assert speech.frames.tolist() == held.frames.tolist()
    assert [speech.place(i) for i in range(count)] == [held.place(i) for i in range(count)]
    some = np.random.default_rng(0).permutation(count)[: count // 2]
    assert same(speech.paired_batch(some.tolist()), held.paired_batch(some.tolist()))
    for subsampling in (1, 4):
        sizes, own = speech.paired_sizes(subsampling), held.paired_sizes(subsampling)
        assert (sizes.longest, sizes.lattice, len(sizes)) == (own.longest, own.lattice, count)
        taken, expected = sizes.take(some), own.take(some)
        for kind in ("positions", "encoded", "labels"):
            assert getattr(taken, kind).tolist() == getattr(expected, kind).tolist()
    bounds = BatchConfig(max_utterances=3)
    for temperature in (1.0, 3.0):
        one, other = (
            BucketSampler(
                own.utterances, own.paired_sizes(4), bounds, seed=1, groups=own.groups, temperature=temperature
            )
            for own in (speech, held)
        )
        assert [one.batch(i).tolist() for i in range(30)] == [other.batch(i).tolist() for i in range(30)]


def out_of_order(folder: Path) -> None:
    for name in ("feats.scp", "utt2num_frames"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(lines[::-1]))


def more_features_than_utterances(folder: Path) -> None:
    (folder / "feats.scp").write_text("0 x.ark:1\n" + (folder / "feats.scp").read_text() + "zz x.ark:2\n")


@pytest.mark.parametrize("change", [None, out_of_order, more_features_than_utterances])
def test_it_says_what_memory_says(change: Callable[[Path], None] | None, toy: Context, symbols: Symbols) -> None:
    if change is not None:
        change(toy.data / "t_train")
    speech = opened(toy, symbols)
    check_same(speech, PairedSet(read_directories(toy.data, SETS), symbols))
    check_same(pickle.loads(pickle.dumps(speech)), PairedSet(read_directories(toy.data, SETS), symbols))


def test_in_blocks(toy: Context, symbols: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_records, "BLOCK", 3)
    check_same(opened(toy, symbols), PairedSet(read_directories(toy.data, SETS), symbols))


def test_of_two_sets_an_id_has_the_name_of_its_set(toy: Context, symbols: Symbols) -> None:
    for path in (toy.data / "t_train").iterdir():
        if path.is_file():
            (toy.data / "t_test" / path.name).write_bytes(path.read_bytes())
    speech = opened(toy, symbols)
    assert speech.utterances[0].startswith("t_train/")
    check_same(speech, PairedSet(read_directories(toy.data, SETS), symbols))


def test_durations_are_checked(toy: Context, symbols: Symbols) -> None:
    directories = read_directories(toy.data, SETS)
    for directory in directories:
        counts = {}
        for key in directory.text:
            phones, positions = len(symbols.inputs(directory, key)), -(-directory.utt2num_frames[key] // 4)
            counts[key] = [positions // phones] * (phones - 1) + [positions - positions // phones * (phones - 1)]
        write_durations(Path("durations"), directory.path.name, counts)
    speech = opened(toy, symbols, Path("durations"))
    held = PairedSet(directories, symbols, durations=Path("durations"))
    check_same(speech, held)
    speech.check_durations(4)
    messages = []
    for own in (speech, held):
        with pytest.raises(DataError, match="has durations that sum to") as caught:
            own.check_durations(3)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_other_features_are_another_store(toy: Context, symbols: Symbols) -> None:
    opened(toy, symbols)
    frames = {key: int(value) + 1 for key, value in read_table(toy.data / "t_train/utt2num_frames").items()}
    write_table(toy.data / "t_train/utt2num_frames", frames)
    speech = opened(toy, symbols)
    assert speech.frames[: len(frames)].tolist() == list(frames.values())
    assert len(list((toy.data / "t_train/.symbols").iterdir())) == 1, "the old one is gone"


def test_it_is_written_once(toy: Context, symbols: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(toy, symbols)
    monkeypatch.setattr(stores, "write_store", None)
    opened(toy, symbols)


def test_a_wrong_number_of_frames_is_named(toy: Context, symbols: Symbols) -> None:
    frames = read_table(toy.data / "t_train/utt2num_frames")
    name = list(frames)[2]
    write_table(toy.data / "t_train/utt2num_frames", frames | {name: "many"})
    with pytest.raises(DataError, match=f"utt2num_frames utterance {name}: 'many' is not a number of frames"):
        opened(toy, symbols)
    assert not list((toy.data / "t_train").glob(".symbols/*"))


@pytest.mark.parametrize("lost", ["feats.scp", "utt2num_frames"])
def test_without_features_memory_says_what_to_do(lost: str, toy: Context, symbols: Symbols) -> None:
    table = read_table(toy.data / "t_train" / lost)
    name = list(table)[1]
    write_table(toy.data / "t_train" / lost, {key: value for key, value in table.items() if key != name})
    assert open_speech([toy.data / "t_train"], symbols) is None
    with pytest.raises(DataError, match=f"utterance {name}: has no features .run stage 4"):
        read_paired(toy.config, toy.data, symbols)


@pytest.mark.parametrize("part", [{"text_only_languages": ("de",)}, {"paired_minutes": 0.05}])
def test_a_part_of_the_sets_is_kept_in_memory(part: dict[str, object], toy: Context, symbols: Symbols) -> None:
    assert isinstance(read_paired(toy.config, toy.data, symbols), StoredSpeech)
    config = dataclasses.replace(toy.config, data=dataclasses.replace(toy.config.data, **part))  # type: ignore[arg-type]
    assert isinstance(read_paired(config, toy.data, symbols), PairedSet)

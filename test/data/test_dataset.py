"""Utterances without features: an error, unless the features stage was allowed to fail on some."""

from __future__ import annotations

import pytest

from jointst.common.errors import DataError
from jointst.config.context import Context
from jointst.data.dataset import PairedSet, in_order, read_directories
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table, write_table
from jointst.models.build import read_symbols


def directory(toy: Context, *lost: int) -> DataDirectory:
    """The test set, some of whose utterances have lost their features."""
    folder = toy.data / "t_test"
    names = DataDirectory.read(folder).utterances
    for file in ("feats.scp", "utt2num_frames"):
        table = read_table(folder / file)
        write_table(folder / file, {key: table[key] for key in names if key not in [names[i] for i in lost]})
    return DataDirectory.read(folder)


def test_refused_by_name(toy: Context) -> None:
    test = directory(toy, 2, 4)
    message = rf"feats.scp utterance {test.utterances[2]}: has no features, as 1 others \(run stage 4"
    with pytest.raises(DataError, match=message):
        PairedSet([test], read_symbols(toy.config, toy.data))


def test_left_out_by_name_where_allowed(toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    test = directory(toy, 2, 4)
    whole = DataDirectory.read(toy.data / "t_train")
    paired = PairedSet([whole, test], read_symbols(toy.config, toy.data), may_lack=True)
    lost = [test.utterances[2], test.utterances[4]]
    assert paired.utterances == [*whole.utterances, *(name for name in test.utterances if name not in lost)]
    assert f"t_test: 2 utterances without features are left out: {lost[0]} {lost[1]}\n" in capsys.readouterr().out
    sizes = test.utt2num_frames | whole.utt2num_frames
    assert paired.frames.tolist() == [sizes[name] for name in paired.utterances]
    for batch in in_order(paired, 3):
        assert batch.feature_lengths.tolist() == [sizes[name] for name in batch.utterances]


def test_a_set_without_any_features_is_always_refused(toy: Context) -> None:
    test = directory(toy, *range(len(DataDirectory.read(toy.data / "t_test").text)))
    with pytest.raises(DataError, match="has no features"):
        PairedSet([test], read_symbols(toy.config, toy.data), may_lack=True)


def test_copies_at_other_speeds_are_found_by_the_name_they_are_written_under(toy: Context) -> None:
    train = DataDirectory.read(toy.data / "t_train")
    for suffix in ("_sp0.9", "_sp2"):
        train.write(toy.data / f"t_train{suffix}")
    found = read_directories(toy.data, ["t_train"], (0.9, 1.0, 2.0))
    assert [item.path.name for item in found] == ["t_train_sp0.9", "t_train", "t_train_sp2"]

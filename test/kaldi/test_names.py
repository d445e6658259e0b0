"""Ids that are unique within a set only: whatever is looked up over several sets keeps them apart."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest
import soundfile
import torch

from jointst.analysis.align import run as align
from jointst.common.errors import DataError
from jointst.config import Config, DataConfig, FeatureConfig
from jointst.config.context import Context
from jointst.data import features
from jointst.data.dataset import PairedSet
from jointst.decoding.search import Search
from jointst.decoding.tune import Dev
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.durations import write_durations
from jointst.kaldi.names import Names
from jointst.kaldi.tables import read_table
from jointst.models.build import load_trained, read_symbols
from jointst.probing.probe import run as probe


def copy(toy: Context, name: str) -> DataDirectory:
    """Another set with the ids of ``t_dev``: each utterance has the next one's words, features and language."""
    own = DataDirectory.read(toy.data / "t_dev")
    keys = own.utterances
    following = dict(zip(keys, [*keys[1:], keys[0]]))
    moved = {
        table: {key: getattr(own, table)[following[key]] for key in keys}
        for table in ("text", "utt2lang", "feats_scp", "utt2num_frames", "phones")
    }
    speakers = {key: f"other-{value}" for key, value in own.utt2spk.items()}
    return DataDirectory(path=toy.data / name, utt2spk=speakers, **moved).write(toy.data / name)  # type: ignore[arg-type]


def test_names_hold_the_set_only_where_they_must(toy: Context) -> None:
    own, other = DataDirectory.read(toy.data / "t_dev"), copy(toy, "t_more")
    key = own.utterances[0]
    train = DataDirectory.read(toy.data / "t_train")
    assert Names([own])(own, key) == Names([own, train])(own, key) == key
    table = Names([own, other, train]).table([own, other, train], lambda directory: directory.text)
    assert table[f"t_dev/{key}"] == own.text[key]
    assert table[f"t_more/{key}"] == other.text[key]
    assert len(table) == 2 * len(own.text) + len(train.text)
    nested = [dataclasses.replace(item, path=toy.data / lang / "own") for item, lang in ((own, "de"), (other, "en"))]
    assert Names(nested)(nested[1], key) == f"data/en/own/{key}"


def test_durations_are_of_the_set(toy: Context) -> None:
    directories = [DataDirectory.read(toy.data / "t_dev"), copy(toy, "t_more")]
    for number, directory in enumerate(directories):
        counts = {key: [number] * len(value.split()) for key, value in directory.phones.items()}
        write_durations(Path("durations"), directory.path.name, counts)
    paired = PairedSet(directories, read_symbols(toy.config, toy.data), durations=Path("durations"))
    assert paired.durations is not None
    half = len(paired.utterances) // 2
    assert len(set(paired.utterances)) == 2 * half
    assert [int(counts[0]) for counts in paired.durations] == [0] * half + [1] * half
    assert [len(counts) for counts in paired.durations] == [len(phones) for phones in paired.phones]


def test_reports_and_probes_of_two_sets(toy: Context) -> None:
    other = copy(toy, "t_more")
    data = dataclasses.replace(toy.config.data, dev=("t_dev", "t_more"))
    config = dataclasses.replace(
        toy.config,
        data=data,
        align=dataclasses.replace(toy.config.align, utterances=100, heat_maps=20),
        probe=dataclasses.replace(toy.config.probe, sets=("t_dev", "t_more")),
    )
    context = dataclasses.replace(toy, config=config)
    align(context)
    maps = json.loads((toy.exp / "align/layers.json").read_text())["heat_maps"]
    texts = {item["utterance"]: item["text"] for item in maps}
    own = DataDirectory.read(toy.data / "t_dev")
    expected = {
        f"{directory.path.name}/{key}": text for directory in (own, other) for key, text in directory.text.items()
    }
    assert texts == {key: expected[key] for key in texts}
    assert len({item["file"] for item in maps}) == len(maps) == len(list((toy.exp / "align").glob("heat_*.svg")))
    probe(context)
    speaker = json.loads((toy.exp / "probe/probe.json").read_text())["tasks"]["speaker"]
    spoken = Counter([*own.utt2spk.values(), *other.utt2spk.values()])
    assert speaker["classes"] == sum(count > 1 for count in spoken.values()) == 8


def test_weights_are_tuned_on_both_sets(toy: Context) -> None:
    directories = [DataDirectory.read(toy.data / "t_dev"), copy(toy, "t_more")]
    trained = load_trained(toy)
    dev = Dev(trained, directories, Search(settings=toy.config.decoding, lm=None, weights={}), may_lack=False)
    assert sorted(dev._texts.values()) == sorted([*directories[0].text.values(), *directories[1].text.values()])
    assert dev._texts.keys() == dev._languages.keys()
    assert dev._languages == {
        f"{item.path.name}/{key}": lang for item in directories for key, lang in item.utt2lang.items()
    }


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Sets ``de/own`` and ``en/own``, both for training, with the same id and other audio."""
    monkeypatch.chdir(tmp_path)
    for number, lang in enumerate(("de", "en", "it"), start=1):
        soundfile.write(f"{lang}.wav", 0.1 * torch.randn(16000 * number).numpy(), 16000)
        directory = DataDirectory(
            Path(lang),
            {"u1": "word"},
            utt2spk={"u1": "u"},
            utt2lang={"u1": lang},
            wav_scp={"u1": f"{lang}.wav"},
            phones={"u1": "w"},
        )
        directory.write(Path("data") / lang / "own")
    data = DataConfig(train=("de/own", "en/own"), dev=("it/own",), test=("it/own",), unpaired=())
    return Context(config=Config(data=data), name="t", nj=1)


def test_features_of_sets_that_end_alike(nested: Context) -> None:
    features.run(nested)
    frames = {lang: int(read_table(Path(f"data/{lang}/own/utt2num_frames"))["u1"]) for lang in ("de", "en", "it")}
    assert [round(count, -2) for count in frames.values()] == [100, 200, 300]
    assert len({read_table(Path(f"data/{lang}/own/feats.scp"))["u1"] for lang in frames}) == 3
    assert Path("data/cmvn.npz").is_file()


def test_a_copy_at_another_speed_overwrites_no_set(nested: Context) -> None:
    Path("data/de/own").rename("data/a")
    Path("data/en/own").rename("data/a_sp0.9")
    data = dataclasses.replace(nested.config.data, train=("a", "a_sp0.9"))
    config = dataclasses.replace(nested.config, data=data, features=FeatureConfig(speed_perturbation=(0.9, 1.0)))
    with pytest.raises(DataError, match=r"data/a_sp0\.9: would be overwritten by the copy of a at speed 0\.9"):
        features.run(dataclasses.replace(nested, config=config))


@pytest.mark.parametrize(
    ("root", "dump"), [("data", "data"), ("data/speech", "speech"), ("a/data", "a_data"), ("/b/data", "b_data")]
)
def test_folders_of_data_have_folders_of_features(root: str, dump: str) -> None:
    context = Context(config=Config(data=DataConfig(root=root)), name="t")
    assert context.dump == Path("dump") / dump

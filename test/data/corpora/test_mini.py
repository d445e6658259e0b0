"""The mini corpus at toy size: its directories, its voices, and that it depends on the seed alone."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError
from jointst.config import CorpusConfig, MiniConfig
from jointst.data.corpora import mini
from jointst.data.corpora.engines import PEAK
from jointst.data.corpora.espeak import Synthesiser
from jointst.kaldi.directory import DataDirectory

SIZES = MiniConfig(train_utterances=6, dev_utterances=2, test_utterances=4, unpaired_sentences=8)
CONFIG = CorpusConfig(languages=("de", "zh"), mini=SIZES)
NAMES = ("train", "dev", "test", "test_unheard", "dev_unheard", "unpaired")


def digests(data: Path) -> dict[str, str]:
    """A hash of every file, by its path; paths inside files are taken relative to ``data``."""
    found = {}
    for path in sorted(data.rglob("*")):
        if path.is_file():
            content = path.read_bytes().replace(str(data).encode(), b"")
            found[str(path.relative_to(data))] = hashlib.sha256(content).hexdigest()
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("corpus") / "data"
    made = mini.prepare(CONFIG, data, nj=1)
    assert made == [data / f"mini_{name}" for name in NAMES]
    return data


def test_directories(corpus: Path) -> None:
    sets = {name: DataDirectory.read(corpus / f"mini_{name}") for name in NAMES}
    assert [len(item.text) for item in sets.values()] == [12, 4, 8, 8, 4, 16]
    assert all(item.languages == ["de", "zh"] for item in sets.values())
    assert not sets["unpaired"].has_audio
    for item in list(sets.values())[:5]:
        for utterance, speaker in item.utt2spk.items():
            assert utterance.startswith(f"{speaker}-")
            assert speaker.startswith(f"{item.utt2lang[utterance]}_")
    texts = [text for item in sets.values() for text in item.text.values()]
    assert len(texts) == len(set(texts))
    assert all(" " not in text for item in sets.values() for key, text in item.text.items() if key.startswith("zh"))


def test_audio(corpus: Path) -> None:
    files = sorted((corpus / "audio" / "mini").rglob("*.flac"))
    assert len(files) == 36
    for path in files:
        samples, rate = soundfile.read(path)
        assert rate == 16000
        assert samples.ndim == 1
        assert 0.4 < len(samples) / rate < 5
        assert np.abs(samples).max() == pytest.approx(PEAK, abs=0.01)


def test_voices(corpus: Path) -> None:
    groups = [set(mini.TRAIN_VOICES), set(mini.DEV_VOICES), set(mini.TEST_VOICES)]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert len(mini.TRAIN_VOICES) >= 18
    assert len(mini.TEST_VOICES) >= 6
    with Synthesiser() as engine:
        assert set.union(*groups) <= engine.variants
    new_voices = {"dev": groups[1], "dev_unheard": groups[1], "test": groups[2], "test_unheard": groups[2]}
    for name, new in {"train": set(), **new_voices}.items():
        speakers = DataDirectory.read(corpus / f"mini_{name}").utt2spk.values()
        variants = [speaker.partition("_")[2] for speaker in speakers]
        unseen = [variant for variant in variants if variant in new]
        assert set(variants) <= groups[0] | new
        assert len(unseen) == (len(variants) // 2 if new else 0)


def test_same_again_in_two_processes_and_without_leftovers(corpus: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    mini.prepare(CorpusConfig(languages=("de", "fr"), mini=MiniConfig(**{**vars(SIZES), "seed": 5})), data, nj=1)
    mini.prepare(CONFIG, data, nj=2)
    assert digests(data) == digests(corpus)


def test_seed_changes_the_corpus(corpus: Path, tmp_path: Path) -> None:
    config = CorpusConfig(languages=("de", "zh"), mini=MiniConfig(**{**vars(SIZES), "seed": 1}))
    mini.prepare(config, tmp_path, nj=1)
    assert digests(tmp_path)["mini_train/text"] != digests(corpus)["mini_train/text"]


def test_too_many_sentences(tmp_path: Path) -> None:
    config = CorpusConfig(languages=("de",), mini=MiniConfig(train_utterances=100_000))
    with pytest.raises(ConfigError, match=r"corpus\.mini: set train wants 100000 more sentences in de") as caught:
        mini.prepare(config, tmp_path, nj=1)
    assert caught.value.key == "corpus.mini"
    assert not list(tmp_path.iterdir())


def test_speech_for_self_training_changes_no_other_set(corpus: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    config = dataclasses.replace(CONFIG, mini=dataclasses.replace(SIZES, speech_utterances=3))
    assert mini.prepare(config, data, nj=1)[:-1] == [data / f"mini_{name}" for name in (*NAMES[:-1], "speech")]
    speech = DataDirectory.read(data / "mini_speech")
    assert len(speech.text) == 6
    others = [DataDirectory.read(data / f"mini_{name}") for name in NAMES]
    assert not set(speech.text.values()) & {text for other in others for text in other.text.values()}
    assert [other.text for other in others] == [DataDirectory.read(corpus / other.path.name).text for other in others]


def test_sentences_of_the_test_set_by_another_engine(tmp_path: Path) -> None:
    sizes = dataclasses.replace(SIZES, test_engines=("pico",))
    made = mini.prepare(dataclasses.replace(CONFIG, mini=sizes), tmp_path / "data", nj=1)
    other, plain = (DataDirectory.read(tmp_path / "data" / f"mini_{name}") for name in ("test_engine", "test"))
    assert other.path in made
    assert sorted(other.text.values()) == sorted(v for k, v in plain.text.items() if plain.utt2lang[k] == "de")
    assert set(other.utt2spk.values()) == {"de_pico_de-DE"}
    for path in other.wav_scp.values():
        samples, rate = soundfile.read(path)
        assert rate == 16000
        assert 0.4 < len(samples) / rate < 5
    chinese = dataclasses.replace(CONFIG, languages=("zh",), mini=sizes)
    with pytest.raises(ConfigError, match="pico: no voice in zh"):
        mini.prepare(chinese, tmp_path / "data", nj=1)
    unknown = dataclasses.replace(SIZES, test_engines=("hal",))
    with pytest.raises(ConfigError, match="'hal' is unknown"):
        mini.prepare(dataclasses.replace(CONFIG, mini=unknown), tmp_path / "data", nj=1)

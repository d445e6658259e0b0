"""Word lists: the most frequent words that are words of the language, in lines of several."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from pathlib import Path

import msgpack
import pytest

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig, WordfreqConfig
from jointst.data.corpora import wordfreq
from jointst.kaldi.directory import DataDirectory

ENGLISH = ["the", "of", "was", "don't", "sun"]
GERMAN = [
    "was",
    "die",
    "12",
    "Straße",
    "straße",
    "o.k.",
    "e-mail",
    "haus",
    "привет",
    *(f"w{'o' * n}rt" for n in range(50)),
    "the",
]
JAPANESE = ["私", "です", "abc", "猫"]


def package(
    monkeypatch: pytest.MonkeyPatch, folder: Path, head: object = None, lists: dict[str, list[str]] | None = None
) -> Path:
    """A package of three small lists in a folder of downloads."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wordfreq.FILE
    with zipfile.ZipFile(path, "w") as archive:
        for lang, words in (lists or {"en": ENGLISH, "de": GERMAN, "ja": JAPANESE}).items():
            steps = [head or {"format": "cB", "version": 1}, [], words[:2], [], words[2:]]
            archive.writestr(f"wordfreq/data/large_{lang}.msgpack.gz", gzip.compress(msgpack.packb(steps)))
    monkeypatch.setattr(wordfreq, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_words_in_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    package(monkeypatch, Path("downloads"))
    settings = WordfreqConfig(words=12, words_a_line=5)
    (made,) = wordfreq.prepare(CorpusConfig(languages=("de", "ja"), wordfreq=settings), Path("data"), nj=1)
    directory = DataDirectory.read(made)
    text = {lang: [] for lang in ("de", "ja")}
    for key, line in directory.text.items():
        text[directory.utt2lang[key]].append(line)
    german = " ".join(text["de"]).split()
    assert sorted(len(line.split()) for line in text["de"]) == [2, 5, 5]
    assert set(german) >= {"was", "die", "straße", "haus"}, "'was' is German too, though English has it"
    assert len(german) == len(set(german)) == 12
    assert not {"12", "the", "привет", "o.k.", "e-mail"} & set(german)
    assert sorted("".join(text["ja"])) == sorted("私です猫")
    assert "wordfreq: ja: 3 of the 4 most frequent words; left out: script 1" in capsys.readouterr().out


def test_a_word_much_more_frequent_in_english_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    package(monkeypatch, Path("downloads"))
    (made,) = wordfreq.prepare(CorpusConfig(languages=("de",)), Path("data"), nj=1)
    words = " ".join(DataDirectory.read(made).text.values()).split()
    assert "the" not in words
    assert "was" in words


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="wordfreq has no text in sw"):
        wordfreq.prepare(CorpusConfig(languages=("sw",)), Path("data"), nj=1)
    path = package(monkeypatch, Path("downloads"), head={"format": "cB", "version": 2})
    with pytest.raises(DataError, match="of the form"):
        wordfreq.prepare(CorpusConfig(languages=("de",)), Path("data"), nj=1)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="is not the wheel of wordfreq"):
        wordfreq.prepare(CorpusConfig(languages=("de",)), Path("data"), nj=1)

"""Stage 1 as a whole: what is skipped, what is made again, and which settings are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError
from jointst.config import AudioEncoderConfig, Config, CorpusConfig, DataConfig, ModelConfig, TableConfig
from jointst.config.context import Context
from jointst.data import corpora
from jointst.kaldi.directory import DataDirectory
from jointst.recipe.stages import STAGES

SENTENCES = ["Das ist ein Satz.", "Dies ist ein Test.", "Hier steht noch etwas.", "Und noch ein Satz hier."]


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe folder with own paired sets, and help pages as if unpacked."""
    monkeypatch.chdir(tmp_path)
    for package, suffix in (("libreoffice-help-de", "de"), ("libreoffice-help-en-us", "en-US")):
        page = Path("downloads/debian", package, "usr/share/libreoffice/help", suffix, "text/page.html")
        page.parent.mkdir(parents=True)
        sentences = SENTENCES if suffix == "de" else ["An English sentence."]
        page.write_text("".join(f'<p id="par_id{number}">{text}</p>' for number, text in enumerate(sentences)))
    for name in ("own_train", "own_dev", "own_test"):
        DataDirectory(Path(name), {"a": f"text of {name}"}, utt2lang={"a": "de"}).write(Path("data") / name)


def context(
    sources: tuple[str, ...] = ("libreoffice_help",), most: int = 9, unpaired: str = "libreoffice_help_unpaired"
) -> Context:
    sets = DataConfig(train=("own_train",), dev=("own_dev",), test=("own_test",), unpaired=(unpaired,))
    corpus = CorpusConfig(sources=sources, languages=("de",), unpaired_sentences=most)
    return Context(config=Config(data=sets, corpus=corpus), name="t", nj=1)


def test_made_once_and_again_when_settings_or_held_out_text_change() -> None:
    text = Path("data/libreoffice_help_unpaired/text")
    assert corpora.run(context()).what == "1 data directories with 4 utterances or sentences"
    first = text.stat().st_mtime_ns
    corpora.run(context())
    assert text.stat().st_mtime_ns == first
    corpora.run(context(most=3))
    assert len(text.read_text().splitlines()) == 3
    Path("data/own_dev/text").write_text("a dies ist ein test\n")
    corpora.run(context())
    assert len(text.read_text().splitlines()) == 3
    assert "dies ist ein test" not in text.read_text()
    text.unlink()
    corpora.run(context())
    assert text.exists()


def test_damaged_stamp_is_no_obstacle() -> None:
    corpora.run(context())
    Path("data/.stages/corpus_libreoffice_help.json").write_text('{"dig')
    corpora.run(context())
    corpora.run(context())


def test_refused_settings() -> None:
    with pytest.raises(ConfigError, match=r"corpus.sources: item 0 is 'timit' \(known: mini synthetic "):
        corpora.run(context(sources=("timit",)))
    with pytest.raises(ConfigError, match=r"the set 'news' is not in data \(corpus.sources made: libreoffice_help_unp"):
        corpora.run(context(unpaired="news"))


def test_a_list_is_read_before_an_encoder_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr("jointst.pretrained.source.encoder_folder", lambda *_: fetched.append("whisper"))
    model = ModelConfig(audio_encoder=AudioEncoderConfig(kind="whisper", source="whisper-base"))
    corpus = CorpusConfig(sources=("table",), languages=("de",), table=TableConfig(files=("no.csv",)))
    with pytest.raises(ConfigError, match=r"there is no file 'no\.csv'"):
        corpora.run(Context(config=Config(model=model, corpus=corpus), name="t", nj=1))
    assert fetched == []


def test_a_changed_file_of_the_users_own_is_read_again() -> None:
    files = [Path("list.csv"), Path("a.wav"), Path("b.wav")]
    for path in files[1:]:
        soundfile.write(path, np.full(1600, 0.1), 16000)
    files[0].write_text("path,text,speaker,language,split\na.wav,eins,x,de,train\n")
    table = TableConfig(files=("list.csv",))
    sets = DataConfig(train=("table_train",), dev=("own_dev",), test=("own_test",), unpaired=())
    corpus = CorpusConfig(sources=("table",), languages=("de",), table=table)
    stage = next(stage for stage in STAGES if stage.name == "corpus")
    given = Context(config=Config(data=sets, corpus=corpus), name="t", nj=1)
    stage.run(given)
    assert stage.reason_to_run(given) == ""
    with files[0].open("a") as stream:
        stream.write("b.wav,zwei,x,de,train\n")
    assert stage.reason_to_run(given) == "list.csv is newer"
    stage.run(given)
    assert len(DataDirectory.read(Path("data/table_train")).text) == 2

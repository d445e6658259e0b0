"""The synthetic corpus: held-out voices, engines and sentences, hours as asked for, the same whatever happens."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError, DataError, EnvironmentFault
from jointst.common.languages import LANGUAGES
from jointst.config import CorpusConfig, SyntheticConfig
from jointst.data.corpora import synthetic
from jointst.data.corpora.engines import ENGINES, PEAK, engine_class, to_output
from jointst.data.corpora.spoken import read_pools
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory

SMALL = SyntheticConfig(train_hours=0.01, dev_utterances=2, test_utterances=3)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def prepare(*languages: str, data: str = "data", nj: int = 1, **settings: object) -> dict[str, DataDirectory]:
    config = CorpusConfig(languages=languages, synthetic=dataclasses.replace(SMALL, **settings))  # type: ignore[arg-type]
    return {path.name: DataDirectory.read(path) for path in synthetic.prepare(config, Path(data), nj)}


def seconds(directory: DataDirectory) -> float:
    return sum(segment.end - segment.start for segment in directory.segments.values())


def test_sets_share_neither_voices_nor_sentences() -> None:
    made = prepare("de", "zh")
    assert list(made) == ["synthetic_train", "synthetic_dev", "synthetic_test"]
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        one, other = made[f"synthetic_{first}"], made[f"synthetic_{second}"]
        assert not set(one.utt2spk.values()) & set(other.utt2spk.values())
        assert not set(one.text.values()) & set(other.text.values())
    assert [len(made[f"synthetic_{name}"].text) for name in ("dev", "test")] == [4, 6]
    train = made["synthetic_train"]
    for lang in ("de", "zh"):
        part = train.subset([utterance for utterance, code in train.utt2lang.items() if code == lang])
        assert 36 <= seconds(part) < 40
        assert len(set(part.utt2spk.values())) > 5
    for utterance, segment in train.segments.items():
        samples = load_audio(train.wav_scp[segment.recording], segment, 16000)
        assert abs(len(samples) / 16000 - (segment.end - segment.start)) < 1e-3
        assert abs(np.abs(samples).max() - PEAK) < 1e-3  # one utterance, its whole level
        assert utterance.startswith(f"{train.utt2spk[utterance]}-")


def test_processes_and_interruptions_change_nothing() -> None:
    first, second = prepare("ar", "en"), prepare("ar", "en", data="again", nj=2)
    for name, item in first.items():
        assert item.text == second[name].text
        assert item.segments == second[name].segments
    files = sorted(Path("data").rglob("*.flac"))
    for path in files:
        np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read("again" / path.relative_to("data"))[0])
    times = {path: path.stat().st_mtime_ns for path in files}
    files[0].write_bytes(b"")  # as after a power cut
    files[1].with_suffix(".json").unlink()  # as after a kill
    prepare("ar", "en")
    changed = [path for path in files if path.stat().st_mtime_ns != times[path]]
    assert changed == files[:2]
    prepare("en", seed=1)
    assert not list(Path("data/audio/synthetic/ar").glob("*"))
    assert Path("data/audio/synthetic/en").is_dir()


def test_sentences_come_again_where_there_are_too_few() -> None:
    Path("en.txt").write_text(
        "\n".join(f"we met {word} of them" for word in "one two four five six ten".split()) + "\n"
    )
    made = prepare("en", sentences=("{lang}.txt",), dev_utterances=1, test_utterances=1)
    train = made["synthetic_train"]
    assert len(set(train.text.values())) == 4
    assert seconds(train) >= 36
    with pytest.raises(ConfigError, match=r"want 7 sentences in en and train at least 1, there are 6"):
        prepare("en", sentences=("en.txt",), dev_utterances=4, test_utterances=3)


def test_text_of_every_language_can_be_read() -> None:
    written = {
        "ar": "ذهب الولد إلى المدرسة", "hi": "आज मौसम बहुत अच्छा है", "ja": "今日はとても良い天気です",
        "zh": "今天的天气非常好", "ru": "сегодня очень хорошая погода",
    }  # fmt: skip
    for lang, text in written.items():
        speech = synthetic.front_end(text, lang)
        assert len(speech.split()) > 1
        engine = engine_class("espeak")()
        assert engine.say(speech, lang, "f2", rate=1, pitch=1).size > 0.7 * engine.sampling_rate
        engine.close()


def test_files_of_sentences() -> None:
    lines = [
        "This is fine, I think.",
        "This is fine, I think!",
        "Too short",
        "Это другой язык совсем",
        "We saw 3 cats there",
    ]
    with gzip.open("text.en.gz", "wt", encoding="utf-8") as stream:
        stream.write("\n".join(lines))
    settings = SyntheticConfig(sentences=("text.{lang}.gz",))
    pools = read_pools(CorpusConfig(languages=("en",), synthetic=settings), 100, nj=1)
    assert sorted(item.text for item in pools["en"]) == ["this is fine i think", "we saw three cats there"]
    assert len(read_pools(CorpusConfig(languages=("en",), synthetic=settings), 1, nj=1)["en"]) == 1
    Path("text.de.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"text\.de\.gz: cannot be read: Not a gzipped"):
        read_pools(CorpusConfig(languages=("de",), synthetic=settings), 1, nj=1)
    Path("de.txt").write_bytes(b"gut so weit\nsch\xf6n\n")
    with pytest.raises(DataError, match=r"de\.txt:2: is not UTF-8"):
        prepare("de", sentences=("de.txt",))
    Path("de.txt").write_text("zu kurz\n")
    with pytest.raises(DataError, match="no usable sentence in de"):
        prepare("de", sentences=("de.txt",))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engines": ("festival",)}, r"synthetic\.engines: 'festival' is unknown \(known: espeak pico\)"),
        ({"test_engines": ("flite",)}, r"synthetic\.test_engines: 'flite' is unknown"),
        ({"engines": ("pico",)}, r"pico: no voice for the dev set in de \(add espeak"),
        ({"sentences": ("all.txt",)}, r"item 0: 'all.txt' would be read for de en \(put \{lang\}"),
        ({"sentences": ("grammar", "{lang}.txt")}, r"item 1: there is no file 'de.txt'"),
        ({"test_utterances": 5000}, r"dev and test want 5002 sentences in de .*there are 2900"),
        ({"test_engines": ("espeak",)}, r"also in engines: espeak"),
    ],
)
def test_refused_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare("de", "en", **settings)


def test_every_engine_has_the_form() -> None:
    for name in ENGINES:
        engine = engine_class(name)
        voices = [engine.voices(lang) for lang in LANGUAGES]
        assert any(item.train for item in voices)
        for item in voices:
            assert len(set(item.train + item.dev + item.test)) == len(item.train + item.dev + item.test)


def test_missing_engine_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "py_nanotts", None)
    with pytest.raises(EnvironmentFault, match="--extra tts"):
        engine_class("pico")()


def test_unseen_engine() -> None:
    made = prepare("de", "ru", test_engines=("pico",))
    unseen = made["synthetic_test_engine"]
    assert unseen.languages == ["de"]  # it speaks no Russian
    test = made["synthetic_test"]
    german = sorted(text for utterance, text in test.text.items() if test.utt2lang[utterance] == "de")
    assert sorted(unseen.text.values()) == german
    assert set(unseen.utt2spk.values()) == {"de_pico_de-DE"}
    assert not set(unseen.utt2spk.values()) & set(made["synthetic_train"].utt2spk.values())


def test_engines_take_turns() -> None:
    train = prepare("it", engines=("espeak", "pico"))["synthetic_train"]
    pico = sum("_pico_" in speaker for speaker in train.utt2spk.values())
    assert abs(2 * pico - len(train.text)) <= 1


def test_pico_speaks_and_heeds_rate_and_pitch() -> None:
    engine = engine_class("pico")()
    plain, fast, high = (
        engine.say("apri la finestra e la porta", "it", "it-IT", rate=rate, pitch=pitch)
        for rate, pitch in ((1, 1), (1.4, 1), (1, 1.4))
    )
    assert plain.size > 16000
    assert fast.size < 0.85 * plain.size
    assert np.abs(plain.astype(int)).max() < 32767  # not clipped
    crossings = [int((np.diff(np.sign(samples.astype(int))) != 0).sum()) for samples in (plain, high)]
    assert crossings[0] != crossings[1]


def test_output_rate_and_level() -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)).astype(np.int16)
    block = to_output(tone, 22050)
    assert abs(block.size - 16000) <= 2
    assert np.abs(block).max() == round(32767 * PEAK)
    peak = np.fft.rfft(block[:16000].astype(float), 16000)
    assert int(np.abs(peak).argmax()) == 440
    assert to_output(np.zeros(0, np.int16), 22050).size == 0

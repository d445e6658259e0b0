"""Public corpora from tiny trees in their own layouts, written here with real audio and read through lhotse."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError, DataError, EnvironmentFault
from jointst.config import (
    CommonVoiceConfig,
    CorpusConfig,
    FleursConfig,
    LibrispeechConfig,
    MlsConfig,
    VoxpopuliConfig,
)
from jointst.data.corpora import common_voice, fleurs, librispeech, manifests, mls, voxpopuli
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sound(path: Path, seconds: float = 0.5, rate: int = 16000) -> Path:
    """A tone whose pitch depends on the name of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pitch = 200 + sum(path.name.encode()) % 400
    tone = 0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, tone.astype(np.float32), rate, format="OGG" if path.suffix == ".opus" else None,
                    subtype="OPUS" if path.suffix == ".opus" else None)  # fmt: skip
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def serving(folder: Path, asked: list[str]) -> Iterator[str]:
    """A web server on this machine that resumes downloads, and notes what it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Range"])
            content = (folder / self.path[1:]).read_bytes()[int(asked[-1][6:-1]) :]
            self.send_response(206)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def sets(made: list[Path]) -> dict[str, DataDirectory]:
    """The sets by name, their audio read: every path is right and lasts."""
    directories = [DataDirectory.read(path) for path in made]
    for item in directories:
        for utterance in item.text:
            segment = item.segments.get(utterance)
            samples = load_audio(item.wav_scp[item.recording(utterance)], segment, 16000)
            assert 0.1 < len(samples) / 16000 < 3
            assert abs(samples).max() > 0.1
            assert utterance.startswith(f"{item.utt2spk[utterance]}-")
    return {item.path.name: item for item in directories}


def librispeech_tree(root: Path) -> LibrispeechConfig:
    parts = {"train-clean-5": "103", "dev-clean-2": "84", "test-clean": "1089", "test-other": "367"}
    for part, speaker in parts.items():
        folder = root / part / speaker / "1240"
        names = [f"{speaker}-1240-{number:04d}" for number in range(3)]
        for name in names:
            sound(folder / f"{name}.flac")
        write(folder / f"{speaker}-1240.trans.txt", "".join(f"{name} CHAPTER ONE IT'S {part[:3]}\n" for name in names))
    return LibrispeechConfig(root=str(root), train=("train-clean-5",), dev=("dev-clean-2",))


def test_librispeech() -> None:
    config = CorpusConfig(languages=("en",), librispeech=librispeech_tree(Path("LibriSpeech")))
    made = sets(librispeech.prepare(config, Path("data"), nj=1))
    assert sorted(made) == ["librispeech_dev", "librispeech_test", "librispeech_test_other", "librispeech_train"]
    train = made["librispeech_train"]
    assert train.text["103-1240-0001"] == "chapter one it's tra"
    assert train.utt2spk["103-1240-0001"] == "103"
    assert train.utt2lang["103-1240-0001"] == "en"
    assert set(made["librispeech_test_other"].utt2spk.values()) == {"367"}
    assert not Path("data/.parts/librispeech").exists()


def test_librispeech_on_disk_in_downloads_is_left_alone() -> None:
    stated = librispeech_tree(Path("downloads/librispeech/LibriSpeech"))
    settings = LibrispeechConfig(train=stated.train, dev=stated.dev)
    config = CorpusConfig(languages=("en",), librispeech=settings)
    assert len(sets(librispeech.prepare(config, Path("data"), nj=1))["librispeech_train"].text) == 3


def test_a_broken_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CorpusConfig(languages=("en",), librispeech=librispeech_tree(Path("LibriSpeech")))
    convert = manifests._convert

    def dies(part: manifests.Part, *rest: object) -> DataDirectory:
        if part.name == "test-clean":
            raise KeyboardInterrupt
        return convert(part, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(manifests, "_convert", dies)
    with pytest.raises(KeyboardInterrupt):
        librispeech.prepare(config, Path("data"), nj=1)
    assert not Path("data/librispeech_train").exists()
    again: list[str] = []
    monkeypatch.setattr(manifests, "_convert", lambda part, *rest: again.append(part.name) or convert(part, *rest))
    assert len(librispeech.prepare(config, Path("data"), nj=1)) == 4
    assert again == ["test-clean", "test-other"]


def test_lost_audio_is_counted_and_too_much_of_it_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    config = CorpusConfig(languages=("en",), librispeech=librispeech_tree(Path("LibriSpeech")))
    folder = Path("LibriSpeech/train-clean-5/103/1240")
    lines = "".join(f"103-1240-{number:04d} WORDS\n" for number in range(6))
    write(folder / "103-1240.trans.txt", lines)
    for number in range(3, 5):
        sound(folder / f"103-1240-{number:04d}.flac")
    assert len(sets(librispeech.prepare(config, Path("data"), nj=1))["librispeech_train"].text) == 5
    said = capsys.readouterr().err
    assert "1 of 6 transcripts of train-clean-5 cannot be used (audio-missing 1): left out, listed in data/left" in said
    assert "103-1240.trans.txt:6 utterance 103-1240-0005: " in said
    (folder / "103-1240-0004.flac").unlink()
    with pytest.raises(DataError, match=r"(?s)train-clean-5: 2 of 6 transcripts .*unpack .*most_left_out to 0\.34"):
        librispeech.prepare(config, Path("data"), nj=1)
    config = dataclasses.replace(config, most_left_out=0.34)
    assert len(sets(librispeech.prepare(config, Path("data"), nj=1))["librispeech_train"].text) == 4
    rows = [line.split("\t") for line in Path("data/left_out_librispeech.tsv").read_text().splitlines()]
    assert [row[:2] + row[3:5] for row in rows[1:]] == [
        ["train-clean-5", "audio-missing", "5", "103-1240-0004"],
        ["train-clean-5", "audio-missing", "6", "103-1240-0005"],
    ]


def test_sentences_of_held_out_parts_leave_training(capsys: pytest.CaptureFixture[str]) -> None:
    """As where short sentences are said again and again; in test sets they stay."""
    config = CorpusConfig(languages=("en",), librispeech=librispeech_tree(Path("LibriSpeech")), most_left_out=0.4)
    for name, number in (("train-clean-5/103/1240/103-1240", 1), ("test-clean/1089/1240/1089-1240", 0)):
        table = Path(f"LibriSpeech/{name}.trans.txt")
        lines = table.read_text().splitlines()
        lines[number] = f"{lines[number].split()[0]} ONCE UPON A TIME"
        write(table, "\n".join([*lines, ""]))
    made = sets(librispeech.prepare(config, Path("data"), nj=1))
    assert list(made["librispeech_train"].text) == ["103-1240-0000", "103-1240-0002"]
    assert len(made["librispeech_test"].text) == 3
    assert "same sentences: librispeech_train 1 of 3 (corpus.same" in capsys.readouterr().out
    config = dataclasses.replace(config, same_sentences=True)
    assert len(sets(librispeech.prepare(config, Path("data"), nj=1))["librispeech_train"].text) == 3


def mls_tree(root: Path, opus: bool) -> None:
    for name, speakers in (("german", ("10148", "1724", "2602")), ("polish", ("1", "2", "3"))):
        folder = root / (f"mls_{name}_opus" if opus else f"mls_{name}")
        write(folder / "metainfo.txt", "".join(f"{speaker} | F | train | 1 | 10119 | T | C\n" for speaker in speakers))
        for split, speaker in zip(("train", "dev", "test"), speakers):
            names = [f"{speaker}_10119_{number:06d}" for number in range(2)]
            for item in names:
                sound(folder / split / "audio" / speaker / "10119" / f"{item}.{'opus' if opus else 'flac'}")
            write(folder / split / "transcripts.txt", "".join(f"{item}\tstraße und größe\n" for item in names))


@pytest.mark.parametrize("opus", [False, True])
def test_mls(opus: bool) -> None:
    mls_tree(Path("mls"), opus)
    config = CorpusConfig(languages=("de", "ru"), mls=MlsConfig(root="mls", opus=opus))
    made = sets(mls.prepare(config, Path("data"), nj=1))
    assert sorted(made) == ["mls_dev", "mls_test", "mls_train"]
    assert made["mls_train"].text["10148-10148_10119_000001"] == "straße und größe"
    assert made["mls_train"].wav_scp["10148-10148_10119_000001"].startswith("mls/mls_german")
    assert set(made["mls_test"].utt2spk.values()) == {"2602"}
    assert set(made["mls_test"].utt2lang.values()) == {"de"}


def common_voice_tree(root: Path, lang: str, sentence: str, columns: str) -> None:
    for index, split in enumerate(("train", "dev", "test")):
        lines = [columns.replace(" ", "\t")]
        for number in range(2):
            name = f"common_voice_{lang}_{index}{number}.mp3"
            sound(root / lang / "clips" / name, rate=32000)
            values = {"client_id": f"{index}" * 128, "path": name, "sentence": sentence}
            lines.append("\t".join(values.get(column, "") for column in columns.split()))
        write(root / lang / f"{split}.tsv", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("lang", "name", "written", "expected", "columns"),
    [
        ("de", "de", '"Öffne die Tür.', "öffne die tür", "client_id path sentence age gender accents variant locale"),
        (
            "zh",
            "zh-CN",
            "天气很好。",
            "天气很好",
            "client_id path sentence up_votes age gender accent",
        ),  # an old release
    ],
)
def test_common_voice(lang: str, name: str, written: str, expected: str, columns: str) -> None:
    common_voice_tree(Path("cv"), name, written, columns)
    config = CorpusConfig(languages=(lang,), common_voice=CommonVoiceConfig(root="cv"))
    made = sets(common_voice.prepare(config, Path("data"), nj=1))
    assert sorted(made) == ["common_voice_dev", "common_voice_test", "common_voice_train"]
    train = made["common_voice_train"]
    assert list(train.text.values()) == [expected] * 2
    assert set(train.utt2lang.values()) == {lang}
    assert all(path.startswith("cv/") for path in train.wav_scp.values())
    speakers = [set(item.utt2spk.values()) for item in made.values()]
    assert all(len(speaker) == 16 for group in speakers for speaker in group)
    assert len(set.union(*speakers)) == 3


def fleurs_tree(root: Path) -> None:
    for name, text in (("de_de", "die tür ist auf"), ("ja_jp", "今日 は 良い")):
        for split in ("train", "dev", "test"):
            lines = []
            for number in range(3):
                sound(root / name / "audio" / split / f"{number}{len(split)}.wav")
                fields = (f"{number // 2}", f"{number}{len(split)}.wav", "Raw", text, "c h |", "8000", "FEMALE")
                lines.append("\t".join(fields) + "\n")
            write(root / name / f"{split}.tsv", "".join(lines))


def test_fleurs() -> None:
    fleurs_tree(Path("fleurs"))
    config = CorpusConfig(languages=("de", "ja"), fleurs=FleursConfig(root="fleurs"))
    made = sets(fleurs.prepare(config, Path("data"), nj=1))
    assert sorted(made) == ["fleurs_dev", "fleurs_test", "fleurs_train"]
    assert set(made["fleurs_train"].text.values()) == {"die tür ist auf", "今日は良い"}
    assert len(made["fleurs_train"].text) == 6
    assert all(path.startswith("fleurs/") for path in made["fleurs_dev"].wav_scp.values())
    speakers = [set(item.utt2spk.values()) for item in made.values()]
    assert len(set.union(*speakers)) == 18
    with pytest.raises(DataError, match=r"hi_in/train.tsv: this part of the corpus is missing \(expected:\n  de_de"):
        fleurs.prepare(CorpusConfig(languages=("hi",), fleurs=FleursConfig(root="fleurs")), Path("data"), nj=1)


def voxpopuli_tree(root: Path, channel: str) -> None:
    header = (
        "session_id|id_|original_text|normed_text|speaker_id|split|gender|is_gold_transcript|vad|start_time|end_time"
    )
    lines = [header]
    for index, split in enumerate(("train", "dev", "test")):
        session = f"2019011{index}-0900-PLENARY"
        sound(root / "raw_audios" / channel / "2019" / f"{session}_{channel}.ogg", seconds=4)
        for number in range(2):
            start = 1.5 * number
            lines.append(f"{session}|{number}|Wir sind da.|wir sind da|99{index}|{split}|f|True|[]|{start}|{start + 1}")
    lines.append("20200101-0900-PLENARY|0|Fehlt.|fehlt|1|train|m|True|[]|0|1")  # a year that is not on disk
    (root / "annotations").mkdir(parents=True)
    with gzip.open(root / "annotations/asr_de.tsv.gz", "wt", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")


@pytest.mark.parametrize("channel", ["original", "de"])
def test_voxpopuli(channel: str) -> None:
    voxpopuli_tree(Path("vox"), channel)
    config = CorpusConfig(languages=("de",), voxpopuli=VoxpopuliConfig(root="vox"))
    made = sets(voxpopuli.prepare(config, Path("data"), nj=1))
    assert sorted(made) == ["voxpopuli_dev", "voxpopuli_test", "voxpopuli_train"]
    train = made["voxpopuli_train"]
    assert list(train.text.values()) == ["wir sind da"] * 2
    assert sorted(str(segment) for segment in train.segments.values()) == [
        "de_20190110-0900-PLENARY 0 1",
        "de_20190110-0900-PLENARY 1.5 2.5",
    ]
    assert set(train.utt2spk.values()) == {"de_990"}


@pytest.mark.parametrize("module", [librispeech, mls, voxpopuli])
def test_language_that_a_corpus_lacks(module: object) -> None:
    with pytest.raises(ConfigError, match="only"):
        module.prepare(CorpusConfig(languages=("hi",)), Path("data"), nj=1)  # type: ignore[attr-defined]


def test_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mls, "URL", "http://127.0.0.1:9/mls")
    with pytest.raises(EnvironmentFault, match=r"mls_german_opus cannot be downloaded: .*\n.*by hand:\n  mls_german"):
        mls.prepare(CorpusConfig(languages=("de",)), Path("data"), nj=1)


def test_download_is_resumed_and_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    mls_tree(Path("served"), opus=True)
    shutil.make_archive("served/mls_german_opus", "gztar", "served", "mls_german_opus")
    whole = Path("served/mls_german_opus.tar.gz").read_bytes()
    part = Path("downloads/mls/mls_german_opus.tar.gz")
    part.parent.mkdir(parents=True)
    part.write_bytes(whole[:1000])
    asked: list[str] = []
    with serving(Path("served"), asked) as address:
        monkeypatch.setattr(mls, "URL", address)
        config = CorpusConfig(languages=("de",))
        assert len(sets(mls.prepare(config, Path("data"), nj=1))) == 3
        assert asked == ["bytes=1000-"]
        assert not part.exists()
        assert len(mls.prepare(config, Path("data"), nj=1)) == 3
        assert len(asked) == 1


def test_a_root_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("cv").mkdir()
    assert manifests.find_root("common_voice", "~/cv", CorpusConfig(), "") == (tmp_path / "cv", False)

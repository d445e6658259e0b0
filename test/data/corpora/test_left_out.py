"""A bad recording or line costs itself and not the corpus, in every corpus; many of them are an error that says so."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import DataError
from jointst.config import (
    CommonVoiceConfig,
    CorpusConfig,
    FleursConfig,
    LibrispeechConfig,
    MlsConfig,
    TableConfig,
    VoxpopuliConfig,
)
from jointst.data.corpora import SOURCES, common_voice, fleurs, librispeech, mls, table, voxpopuli
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.recordings import examine

COUNT = 6
"""Utterances in each training set: one of them may be lost, two are more than a fifth."""
WORDS = "one two three four five six".split()


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sound(path: Path, seconds: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.3 * np.sin(2 * np.pi * (200 + sum(path.name.encode()) % 400) * np.arange(round(seconds * 16000)) / 16000)
    opus = path.suffix == ".opus"
    soundfile.write(path, tone, 16000, format="OGG" if opus else None, subtype="OPUS" if opus else None)
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def said_in(part: str) -> list[str]:
    """The sentences of a part of a corpus, none of which another part has."""
    return WORDS if part.startswith("train") else [part.split("-")[0]]


@dataclasses.dataclass
class Tree:
    """A corpus on disk: its settings, the training recordings, and the table that lists them, a line each."""

    name: str
    config: CorpusConfig
    recordings: list[Path]
    listing: Path
    heading: int
    """Lines before the first recording's."""

    def prepare(self, **settings: object) -> DataDirectory:
        """The training set."""
        modules = {"common_voice": common_voice, "fleurs": fleurs, "librispeech": librispeech, "mls": mls,
                   "table": table, "voxpopuli": voxpopuli}  # fmt: skip
        config = dataclasses.replace(self.config, **settings)  # type: ignore[arg-type]
        made = modules[self.name].prepare(config, Path("data"), nj=1)
        return next(DataDirectory.read(path) for path in made if path.name.endswith("_train"))

    def edit(self, number: int, change: Callable[[str], str]) -> None:
        """Change the line of a recording."""
        packed = self.listing.suffix == ".gz"
        content = (gzip.decompress if packed else bytes)(self.listing.read_bytes()).decode()
        lines = content.split("\n")
        lines[self.heading + number] = change(lines[self.heading + number])
        changed = "\n".join(lines).encode()
        self.listing.write_bytes(gzip.compress(changed) if packed else changed)

    def left_out(self) -> list[str]:
        """Reasons on the list."""
        return [line.split("\t")[1] for line in Path(f"data/left_out_{self.name}.tsv").read_text().splitlines()[1:]]


def tree_of_common_voice() -> Tree:
    for split, count in (("train", COUNT), ("dev", 1), ("test", 1)):
        names = [f"common_voice_en_{split}{number}.mp3" for number in range(count)]
        rows = [
            f"{name}client\t{sound(Path('cv/en/clips') / name).name}\t{word}"
            for name, word in zip(names, said_in(split))
        ]
        write(Path(f"cv/en/{split}.tsv"), "\n".join(["client_id\tpath\tsentence", *rows, ""]))
    config = CorpusConfig(languages=("en",), common_voice=CommonVoiceConfig(root="cv"))
    clips = sorted(Path("cv/en/clips").glob("*_train*"))
    return Tree("common_voice", config, clips, Path("cv/en/train.tsv"), 1)


def tree_of_fleurs() -> Tree:
    for split, count in (("train", COUNT), ("dev", 1), ("test", 1)):
        names = [sound(Path(f"fleurs/en_us/audio/{split}/{number}.wav")).name for number in range(count)]
        rows = [
            f"{number}\t{name}\tRaw\t{word}\tc |\t4800\tMALE"
            for number, (name, word) in enumerate(zip(names, said_in(split)))
        ]
        write(Path(f"fleurs/en_us/{split}.tsv"), "\n".join([*rows, ""]))
    config = CorpusConfig(languages=("en",), fleurs=FleursConfig(root="fleurs"))
    recordings = sorted(Path("fleurs/en_us/audio/train").iterdir())
    return Tree("fleurs", config, recordings, Path("fleurs/en_us/train.tsv"), 0)


def tree_of_librispeech() -> Tree:
    for part, speaker, count in (("train-clean-5", 1, COUNT), ("dev-clean-2", 2, 1), ("test-clean", 3, 1)):
        folder = Path(f"LibriSpeech/{part}/{speaker}/10")
        names = [sound(folder / f"{speaker}-10-{number:04d}.flac").stem for number in range(count)]
        rows = [f"{name} {word.upper()}" for name, word in zip(names, said_in(part))]
        write(folder / f"{speaker}-10.trans.txt", "\n".join([*rows, ""]))
    parts = LibrispeechConfig(root="LibriSpeech", train=("train-clean-5",), dev=("dev-clean-2",), test=("test-clean",))
    folder = Path("LibriSpeech/train-clean-5/1/10")
    config = CorpusConfig(languages=("en",), librispeech=parts)
    return Tree("librispeech", config, sorted(folder.glob("*.flac")), folder / "1-10.trans.txt", 0)


def tree_of_mls() -> Tree:
    for split, speaker, count in (("train", 1, COUNT), ("dev", 2, 1), ("test", 3, 1)):
        folder = Path(f"mls/mls_english_opus/{split}")
        names = [sound(folder / f"audio/{speaker}/10/{speaker}_10_{number:06d}.opus").stem for number in range(count)]
        write(folder / "transcripts.txt", "".join(f"{name}\t{word}\n" for name, word in zip(names, said_in(split))))
    folder = Path("mls/mls_english_opus/train")
    config = CorpusConfig(languages=("en",), mls=MlsConfig(root="mls"))
    return Tree("mls", config, sorted(folder.rglob("*.opus")), folder / "transcripts.txt", 0)


def tree_of_table() -> Tree:
    recordings = [sound(Path(f"own/{number}.wav")) for number in range(COUNT)]
    rows = [f"{path.name},{word},anna,en,train" for path, word in zip(recordings, WORDS)]
    write(Path("own/list.csv"), "\n".join(["path,text,speaker,language,split", *rows, ""]))
    config = CorpusConfig(languages=("en",), table=TableConfig(files=("own/list.csv",)))
    return Tree("table", config, recordings, Path("own/list.csv"), 1)


def tree_of_voxpopuli() -> Tree:
    rows, recordings = [], []
    for number, word in enumerate([*WORDS, "dev", "test"]):
        session = f"2019011{number}-0900-PLENARY"
        recordings.append(sound(Path(f"vox/raw_audios/original/2019/{session}_original.ogg"), seconds=1))
        rows.append(f"{session}|{word}|9{number}|{word if number >= COUNT else 'train'}|0.2|0.8")
    heading = "session_id|normed_text|speaker_id|split|start_time|end_time"
    listing = Path("vox/annotations/asr_en.tsv.gz")
    listing.parent.mkdir(parents=True)
    listing.write_bytes(gzip.compress("\n".join([heading, *rows, ""]).encode()))
    config = CorpusConfig(languages=("en",), voxpopuli=VoxpopuliConfig(root="vox"))
    return Tree("voxpopuli", config, recordings[:COUNT], listing, 1)


TREES = [tree_of_common_voice, tree_of_fleurs, tree_of_librispeech, tree_of_mls, tree_of_table, tree_of_voxpopuli]


def gone(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(100))


def head(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html>\n<html><body>404: there is no such clip</body></html>\n")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def no_permission(path: Path) -> None:
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")


def not_finite(path: Path) -> None:
    soundfile.write(path, np.array([0.1, float("nan"), 0.2] * 999, np.float32), 16000, format="WAV", subtype="FLOAT")


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0), 16000, format="WAV")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def silent(path: Path) -> None:
    soundfile.write(path, np.zeros(16000), 16000, format="WAV")


def in_integers(path: Path) -> None:
    samples = 20000 * np.sin(np.arange(16000, dtype=np.float32))
    soundfile.write(path, samples, 16000, format="WAV", subtype="FLOAT")


BAD = [silent, in_integers, gone, empty, zeros, head, half, web_page, folder, no_permission, not_finite, no_samples]
"""What a download, a disk or a script can leave of a recording."""


@pytest.mark.parametrize("spoil", BAD)
@pytest.mark.parametrize("make", TREES)
def test_a_bad_recording_is_left_out(
    make: Callable[[], Tree],
    spoil: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree = make()
    spoil(tree.recordings[2])
    train = tree.prepare()
    assert sorted(train.text.values()) == sorted(set(WORDS) - {"three"})
    assert len(train.wav_scp) == COUNT - 1
    said = capsys.readouterr().err
    if make is tree_of_voxpopuli and spoil is gone:  # sessions that are not on disk are not wanted, and no fault
        assert tree.recordings[2].name not in said
        assert not Path("data/left_out_voxpopuli.tsv").exists()
        return
    assert f"1 of {COUNT} transcripts of" in said
    assert tree.recordings[2].name in said
    reasons = {gone: "missing", folder: "missing", silent: "silent", in_integers: "scale"}
    assert tree.left_out() == [f"audio-{reasons.get(spoil, 'unreadable')}"]


@pytest.mark.parametrize("make", TREES)
def test_many_bad_recordings_are_an_error_until_the_share_is_raised(make: Callable[[], Tree]) -> None:
    tree = make()
    for path in tree.recordings[:2]:
        empty(path)
    with pytest.raises(DataError, match=r"2 of 6 transcripts of (?s:.*)corpus\.most_left_out to 0\.34") as caught:
        tree.prepare()
    assert tree.recordings[0].name in str(caught.value)
    assert "fetch these files again" in str(caught.value)
    assert len(tree.prepare(most_left_out=0.34).text) == COUNT - 2
    for path in tree.recordings[2:]:
        empty(path)
    with pytest.raises(DataError, match=r"6 of 6 transcripts") as caught:
        tree.prepare(most_left_out=0.9)
    assert "most_left_out" not in str(caught.value)


@pytest.mark.parametrize("make", [tree_of_table, tree_of_common_voice])
def test_stage_2_need_not_read_the_audio_again(make: Callable[[], Tree], monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make()
    train = tree.prepare()
    read: list[str] = []
    monkeypatch.setattr("jointst.kaldi.recordings._examine_all", lambda entries: read.extend(entries) or [])
    examine(train.wav_scp, 1, Path(f"data/.stages/audio_{tree.name}_train.json"))
    assert read == []


LINES: list[tuple[str, Callable[[str], str], str]] = [
    ("common_voice", lambda line: line.replace("three", "..."), "words"),
    ("common_voice", lambda line: line.replace("three", "[noise]"), "words"),
    ("common_voice", lambda line: line.replace("three", "a\ttab"), "fields"),
    ("common_voice", lambda line: "nothing", "fields"),
    ("common_voice", lambda line: line.replace("train2", "train1"), "twice"),
    ("common_voice", lambda line: line.replace(".mp3", ".mp3|"), "audio-path"),
    ("fleurs", lambda line: line.replace("three", ""), "words"),
    ("fleurs", lambda line: line.replace("three", "caf\u00c3\u00a9"), "encoding"),
    ("table", lambda line: line.replace("three", "caf\u00c3\u00a9"), "encoding"),
    ("table", lambda line: line.replace("three", "stra\u00c3\u0178e"), "encoding"),
    ("fleurs", lambda line: line.replace("\t4800", ""), "fields"),
    ("librispeech", lambda line: line.partition(" ")[0], "words"),
    ("librispeech", lambda line: line.replace("-", "_"), "fields"),
    ("mls", lambda line: line.replace("\t", " "), "fields"),
    ("mls", lambda line: line.replace("2\t", "1\t"), "twice"),
    ("voxpopuli", lambda line: line.replace("0.8", "2.8"), "times"),
    ("voxpopuli", lambda line: line.replace("0.2", "nan"), "times"),
    ("voxpopuli", lambda line: line.replace("0.2", "0.9"), "times"),
    ("voxpopuli", lambda line: line.replace("0.2", "soon"), "times"),
    ("voxpopuli", lambda line: line.replace("|three", '|"three'), "fields"),
    ("voxpopuli", lambda line: line.replace("|three", "|three|"), "fields"),
    ("table", lambda line: line.replace("three", "?"), "words"),
    ("table", lambda line: line.replace("three", "[laughter]"), "words"),
    ("table", lambda line: line.replace("three", '"three'), "fields"),
    ("table", lambda line: line.replace("three", "three, four"), "fields"),
    ("table", lambda line: line.replace("anna", ""), "speaker"),
    ("table", lambda line: line.replace(",en,", ",English,"), "language"),
    ("table", lambda line: line.replace("train", "training"), "split"),
    ("table", lambda line: line.replace("2.wav", "1.wav"), "twice"),
    ("table", lambda line: line.replace("2.wav", "http://example.org/2.wav"), "audio-missing"),
]
"""Corpus, what has become of the line of the third recording, and the reason that is stated."""


@pytest.mark.parametrize(("name", "change", "reason"), LINES)
def test_a_bad_line_is_left_out(name: str, change: Callable[[str], str], reason: str) -> None:
    tree = next(make for make in TREES if make.__name__ == f"tree_of_{name}")()
    tree.edit(2, change)
    assert sorted(tree.prepare().text.values()) == sorted(set(WORDS) - {"three"})
    assert tree.left_out() == [reason]


@pytest.mark.parametrize("make", [tree_of_common_voice, tree_of_fleurs, tree_of_librispeech, tree_of_mls])
def test_a_line_that_is_not_utf8_is_left_out(make: Callable[[], Tree]) -> None:
    tree = make()
    content = tree.listing.read_bytes()
    word = b"THREE" if b"THREE" in content else b"three"
    tree.listing.write_bytes(content.replace(word, b"caf\xe9"))
    assert len(tree.prepare().text) == COUNT - 1
    assert tree.left_out() == ["encoding"]


@pytest.mark.parametrize("make", TREES)
def test_marks_of_transcribers_are_taken_out_and_counted(
    make: Callable[[], Tree], capsys: pytest.CaptureFixture[str]
) -> None:
    tree = make()
    tree.edit(2, lambda line: line.replace("three", "[laughter] three #um").replace("THREE", "[laughter] THREE #um"))
    train = tree.prepare(transcriber_marks=("#um",))
    assert sorted(train.text.values()) == sorted(WORDS)
    assert "marks of transcribers taken out of transcripts: #um 1, [laughter] 1" in capsys.readouterr().err


def test_what_was_mended_is_read_again_after_a_broken_run() -> None:
    tree = tree_of_common_voice()
    clip, dev = tree.recordings[2], Path("cv/en/dev.tsv")
    content, listed = clip.read_bytes(), dev.read_text()
    empty(clip)
    dev.write_text(listed.replace("\tdev", "\t..."))
    with pytest.raises(DataError, match="1 of 1 transcripts of en/dev"):
        tree.prepare()
    clip.write_bytes(content)
    dev.write_text(listed)
    assert len(tree.prepare().text) == COUNT
    assert not Path("data/left_out_common_voice.tsv").exists()


def test_json_lines_that_cannot_be_read_are_left_out() -> None:
    tree = tree_of_table()
    rows = [{"path": f"{number}.wav", "text": word, "speaker": "a", "language": "en", "split": "train"}
            for number, word in enumerate(WORDS)]  # fmt: skip
    lines = [json.dumps(row) for row in rows]
    for bad in ("[" * 100000, "{", "1", '{"path": "2.wav"}', lines[2].replace('"three"', "[1]"), "9" * 5000):
        write(Path("own/list.jsonl"), "\n".join([*lines[:2], bad, *lines[3:]]))
        settings = TableConfig(files=("own/list.jsonl",))
        assert len(tree.prepare(table=settings).text) == COUNT - 1
        assert tree.left_out() == ["fields"]


def test_every_corpus_of_recordings_has_a_tree_or_is_a_package() -> None:
    made_here = {"mini", "synthetic"}
    packages = {"prompts", "festvox_ru", "tuxpaint_stamps", "gcin_voice"}
    text = {"libreoffice_help", "fortunes", "gnome_help", "wordfreq", "text_files"}
    trees = {make.__name__.removeprefix("tree_of_") for make in TREES}
    assert set(SOURCES) == trees | packages | made_here | text

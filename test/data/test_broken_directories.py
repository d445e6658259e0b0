"""Ways to break a data directory: each is found with its rule, file, line and utterance, by the real command.

Where the rule says that ``jointst fix`` mends it, it does, and a second time changes nothing; where it does not, the
fault is still named afterwards. Commands run in this process, so that an exception that they do not know fails; how
jointst fix reads its command line is in test_fix.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.config import Config, DataConfig
from jointst.config.context import Context
from jointst.data.fix import fix
from jointst.data.rules import RULES
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.tables import read_table, write_table
from jointst.recipe.cli import main

CONF = """
data: {train: [x_train, x_long], dev: [x_dev], test: [x_test], unpaired: [x_unpaired]}
"""
SETS = DataConfig(train=("x_train", "x_long"), dev=("x_dev",), test=("x_test",), unpaired=("x_unpaired",))
CONTEXT = Context(config=Config(data=SETS), name="conf", nj=1)
WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
DATA = Path("data")
TRAIN, LONG, DEV, TEST, UNPAIRED = (DATA / f"x_{name}" for name in ("train", "long", "dev", "test", "unpaired"))


def sound(path: str, *, seconds: float = 2.0, rate: int = 16000, peak: float = 0.3, channels: int = 1) -> None:
    samples = np.random.default_rng(0).uniform(-peak, peak, (round(seconds * rate), channels))
    soundfile.write(path, samples, rate, subtype="PCM_16")


def paired(name: str, count: int) -> None:
    """Utterances ``anna-<name>-01`` and so on, each two seconds long."""
    keys = [f"anna-{name}-{number:02d}" for number in range(1, count + 1)]
    for key in keys:
        sound(f"audio/{key}.wav")
    DataDirectory(
        DATA / f"x_{name}",
        {key: f"{name} has {WORDS[number]}" for number, key in enumerate(keys)},
        utt2spk=dict.fromkeys(keys, "anna"),
        utt2lang=dict.fromkeys(keys, "en"),
        wav_scp={key: f"audio/{key}.wav" for key in keys},
    ).write(DATA / f"x_{name}")


@pytest.fixture(scope="module")
def sound_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets without a fault: two of training, one of them with segments, one each of dev, test and unpaired text."""
    folder = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("audio").mkdir()
        Path("conf.yaml").write_text(CONF)
        for name, count in (("train", 10), ("dev", 5), ("test", 5)):
            paired(name, count)
        keys = [f"bert-long-{number:02d}" for number in range(1, 11)]
        for tape in ("tape1", "tape2"):
            sound(f"audio/{tape}.wav", seconds=10)
        DataDirectory(
            LONG,
            {key: f"test dev of {WORDS[number]}" for number, key in enumerate(keys)},
            utt2spk=dict.fromkeys(keys, "bert"),
            utt2lang=dict.fromkeys(keys, "en"),
            wav_scp={tape: f"audio/{tape}.wav" for tape in ("tape1", "tape2")},
            segments={
                key: Segment(f"tape{1 + number // 5}", 2.0 * (number % 5), 2.0 * (number % 5) + 2)
                for number, key in enumerate(keys)
            },
        ).write(LONG)
        keys = [f"en-{number:02d}" for number in range(1, 11)]
        text = {key: f"text with {word}" for key, word in zip(keys, WORDS)}
        DataDirectory(UNPAIRED, text, utt2lang=dict.fromkeys(keys, "en")).write(UNPAIRED)
        assert main(["validate", "--conf", "conf.yaml", "--nj", "1"]) == 0
    return folder


@pytest.fixture(autouse=True)
def data(sound_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory: a copy of the sound sets."""
    shutil.copytree(sound_data, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")


def replace(path: Path, old: str, new: str) -> None:
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))


def line(path: Path, number: int, new: bytes) -> None:
    """Write another line ``number``, counted from 1."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1] = new
    path.write_bytes(b"".join(lines))


def insert(path: Path, number: int, new: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[: number - 1], new, *lines[number - 1 :]]))


def segment(number: int, value: str) -> None:
    line(LONG / "segments", number, f"bert-long-{number:02d} {value}\n".encode())


def not_finite() -> None:
    samples = np.full(32000, 0.1, dtype=np.float32)
    samples[100] = np.nan
    soundfile.write("audio/anna-train-03.wav", samples, 16000, subtype="FLOAT")


def clipped() -> None:
    samples = 4 * np.sin(np.arange(32000) / 20)
    soundfile.write("audio/anna-train-03.wav", samples.clip(-1, 1), 16000)


def inverted_side() -> None:
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, 32000)
    soundfile.write(AUDIO, np.stack((samples, -samples), axis=1), 16000)


def floats(peak: float) -> None:
    soundfile.write(AUDIO, np.random.default_rng(0).uniform(-peak, peak, 32000), 16000, subtype="FLOAT")


def cut_short() -> None:
    path = Path("audio/anna-train-03.flac")
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 64000), 16000)
    path.write_bytes(path.read_bytes()[:60000])
    replace(TRAIN / "wav.scp", "audio/anna-train-03.wav", str(path))


def unsorted() -> None:
    lines = (TRAIN / "utt2lang").read_bytes().splitlines(keepends=True)
    (TRAIN / "utt2lang").write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))


def rename_key(path: Path, old: str, new: str) -> None:
    table = read_table(path)
    write_table(path, {new if key == old else key: value for key, value in table.items()})


def rename(old: str, new: str) -> None:
    """Rename an utterance in every file of the training set."""
    for file in ("text", "utt2spk", "utt2lang", "wav.scp"):
        (TRAIN / file).write_text((TRAIN / file).read_text().replace(f"{old} ", f"{new} ", 1))
    (TRAIN / "spk2utt").write_text((TRAIN / "spk2utt").read_text().replace(f"{old} ", f"{new} ", 1))


def everywhere_utterance(path: str) -> None:
    """Add the first test utterance to training, with other words."""
    for file, value in (("text", "words of its own"), ("utt2spk", "anna"), ("utt2lang", "en"), ("wav.scp", path)):
        write_table(TRAIN / file, {**read_table(TRAIN / file), "anna-test-01": value})
    (TRAIN / "spk2utt").unlink()


def meeting(times: str) -> None:
    """Test utterances become parts of the first training tape, the first at some times, the others of a third tape."""
    sound("audio/tape1.wav", seconds=12)
    sound("audio/tape3.wav", seconds=10)
    keys = list(read_table(TEST / "text"))
    write_table(TEST / "wav.scp", {"tape1": "audio/tape1.wav", "tape3": "audio/tape3.wav"})
    others = {key: f"tape3 {2 * number} {2 * number + 2}" for number, key in enumerate(keys[1:])}
    write_table(TEST / "segments", {keys[0]: f"tape1 {times}", **others})


def commands() -> None:
    """Everybody says the test's sentences."""
    sentences = list(read_table(TEST / "text").values())
    keys = list(read_table(TRAIN / "text"))
    write_table(TRAIN / "text", {key: sentences[number % 5] for number, key in enumerate(keys)})


@dataclass(frozen=True)
class Break:
    """A way to break the sets, and where it must be found."""

    damage: Callable[[], object]
    rule: str
    path: Path
    line: int = 0
    utterance: str = ""


THIRD = "anna-train-03"
AUDIO = f"audio/{THIRD}.wav"
BREAKS = {
    "folder gone": Break(lambda: TEST.rename("gone"), "missing-folder", TEST),
    "text gone": Break(lambda: (TEST / "text").unlink(), "missing-file", TEST / "text"),
    "utt2lang gone": Break(lambda: (UNPAIRED / "utt2lang").unlink(), "missing-file", UNPAIRED / "utt2lang"),
    "utt2spk gone": Break(lambda: (TEST / "utt2spk").unlink(), "missing-file", TEST / "utt2spk"),
    "wav.scp gone": Break(lambda: (TEST / "wav.scp").unlink(), "missing-file", TEST / "wav.scp"),
    "a folder for a file": Break(
        lambda: ((TEST / "utt2lang").unlink(), (TEST / "utt2lang").mkdir()), "unreadable-file", TEST / "utt2lang"
    ),
    "a link to nothing": Break(
        lambda: ((TEST / "text").unlink(), (TEST / "text").symlink_to("nowhere")), "unreadable-file", TEST / "text"
    ),
    "empty set": Break(lambda: (TEST / "text").write_text(""), "empty-set", TEST / "text"),
    "Latin-1": Break(lambda: line(TRAIN / "text", 3, b"anna-train-03 caf\xe9\n"), "encoding", TRAIN / "text", 3),
    "UTF-16": Break(
        lambda: (UNPAIRED / "utt2lang").write_bytes("en-01 en\n".encode("utf-16")), "encoding", UNPAIRED / "utt2lang", 1
    ),
    "zero byte": Break(lambda: line(TRAIN / "text", 3, b"anna-train-03 a\0b\n"), "zero-byte", TRAIN / "text", 3),
    "byte order mark": Break(
        lambda: (TRAIN / "text").write_bytes(b"\xef\xbb\xbf" + (TRAIN / "text").read_bytes()),
        "byte-order-mark",
        TRAIN / "text",
        1,
    ),
    "Windows lines": Break(
        lambda: (TRAIN / "utt2spk").write_bytes((TRAIN / "utt2spk").read_bytes().replace(b"\n", b"\r\n")),
        "carriage-return",
        TRAIN / "utt2spk",
        1,
    ),
    "one Windows line": Break(
        lambda: line(UNPAIRED / "text", 4, b"en-04 text with four\r\n"), "carriage-return", UNPAIRED / "text", 4
    ),
    "blank line": Break(lambda: insert(TRAIN / "text", 3, b"\n"), "blank-line", TRAIN / "text", 3),
    "line of spaces": Break(lambda: insert(TRAIN / "wav.scp", 11, b" \t\n"), "blank-line", TRAIN / "wav.scp", 11),
    "leading space": Break(
        lambda: line(TRAIN / "utt2lang", 3, b" anna-train-03 en\n"), "leading-space", TRAIN / "utt2lang", 3
    ),
    "key alone": Break(
        lambda: line(TRAIN / "utt2lang", 3, b"anna-train-03\n"), "missing-value", TRAIN / "utt2lang", 3, THIRD
    ),
    "same line twice": Break(
        lambda: insert(TRAIN / "utt2lang", 3, b"anna-train-03 en\n"), "repeated-line", TRAIN / "utt2lang", 4, THIRD
    ),
    "two values": Break(
        lambda: insert(TRAIN / "text", 4, b"anna-train-03 other words\n"), "repeated-key", TRAIN / "text", 4, THIRD
    ),
    "order": Break(unsorted, "sorting", TRAIN / "utt2lang", 2, "anna-train-01"),
    "order of speakers": Break(
        lambda: insert(LONG / "spk2utt", 1, b"carl bert-long-11\n"), "sorting", LONG / "spk2utt", 2, "bert"
    ),
    "no line feed": Break(
        lambda: (TRAIN / "text").write_bytes((TRAIN / "text").read_bytes()[:-1]), "line-feed", TRAIN / "text", 10
    ),
    "no language": Break(lambda: line(TRAIN / "utt2lang", 3, b""), "missing-key", TRAIN / "text", 3, THIRD),
    "no speaker": Break(lambda: line(TRAIN / "utt2spk", 3, b""), "missing-key", TRAIN / "text", 3, THIRD),
    "no audio": Break(lambda: line(TRAIN / "wav.scp", 3, b""), "missing-key", TRAIN / "text", 3, THIRD),
    "no segment": Break(lambda: line(LONG / "segments", 3, b""), "missing-key", LONG / "text", 3, "bert-long-03"),
    "no transcript": Break(lambda: line(TRAIN / "text", 3, b""), "extra-key", TRAIN / "wav.scp", 3, THIRD),
    "language of nobody": Break(
        lambda: insert(UNPAIRED / "utt2lang", 11, b"en-11 en\n"), "extra-key", UNPAIRED / "utt2lang", 11, "en-11"
    ),
    "invisible in an id": Break(
        lambda: rename(THIRD, "anna-train-03\u200b"), "id-invisible", TRAIN / "text", 3, "anna-train-03\u200b"
    ),
    "escape in an id": Break(
        lambda: rename(THIRD, "anna-train-03\x1b"), "id-characters", TRAIN / "text", 3, "anna-train-03\x1b"
    ),
    "wide space in an id": Break(
        lambda: rename(THIRD, "anna-train-03\u3000x"), "id-characters", TRAIN / "text", 3, "anna-train-03\u3000x"
    ),
    "speaker prefix": Break(
        lambda: (line(TRAIN / "utt2spk", 3, b"anna-train-03 carl\n"), (TRAIN / "spk2utt").unlink()),
        "speaker-prefix",
        TRAIN / "utt2spk",
        3,
        THIRD,
    ),
    "speaker of two words": Break(
        lambda: line(TRAIN / "utt2spk", 3, b"anna-train-03 anna b\n"), "speaker-name", TRAIN / "utt2spk", 3, THIRD
    ),
    "spk2utt gone": Break(lambda: (TRAIN / "spk2utt").unlink(), "missing-spk2utt", TRAIN / "spk2utt"),
    "spk2utt of before": Break(
        lambda: (TRAIN / "spk2utt").write_text("anna anna-train-01\n"), "spk2utt", TRAIN / "spk2utt", 1, "anna"
    ),
    "spk2utt lacks one": Break(lambda: (TRAIN / "spk2utt").write_text(""), "spk2utt", TRAIN / "spk2utt", 0, "anna"),
    "language": Break(
        lambda: line(TRAIN / "utt2lang", 3, b"anna-train-03 tlh\n"), "unknown-language", TRAIN / "utt2lang", 3, THIRD
    ),
    "language in capitals": Break(
        lambda: line(UNPAIRED / "utt2lang", 2, b"en-02 EN\n"), "language-code", UNPAIRED / "utt2lang", 2, "en-02"
    ),
    "language with a region": Break(
        lambda: line(TRAIN / "utt2lang", 3, b"anna-train-03 en_US\n"), "language-code", TRAIN / "utt2lang", 3, THIRD
    ),
    "audio gone": Break(lambda: Path(AUDIO).unlink(), "audio-missing", TRAIN / "wav.scp", 3, THIRD),
    "a folder for audio": Break(
        lambda: replace(TRAIN / "wav.scp", AUDIO, "audio"), "audio-missing", TRAIN / "wav.scp", 3, THIRD
    ),
    "damaged audio": Break(lambda: Path(AUDIO).write_bytes(b"RIFF?"), "audio-unreadable", TRAIN / "wav.scp", 3, THIRD),
    "text for audio": Break(
        lambda: Path(AUDIO).write_text("<html>404</html>"), "audio-unreadable", TRAIN / "wav.scp", 3, THIRD
    ),
    "audio cut short": Break(cut_short, "audio-unreadable", TRAIN / "wav.scp", 3, THIRD),
    "no ark there": Break(
        lambda: (Path("x.ark").write_bytes(b"nothing"), replace(TRAIN / "wav.scp", AUDIO, "x.ark:3")),
        "audio-unreadable",
        TRAIN / "wav.scp",
        3,
        THIRD,
    ),
    "no samples": Break(lambda: soundfile.write(AUDIO, np.zeros(0), 16000), "audio-empty", TRAIN / "wav.scp", 3, THIRD),
    "pipe": Break(lambda: replace(TRAIN / "wav.scp", AUDIO, f"cat {AUDIO} |"), "pipe", TRAIN / "wav.scp", 3, THIRD),
    "NaN": Break(not_finite, "audio-not-finite", TRAIN / "wav.scp", 3, THIRD),
    "silence": Break(
        lambda: soundfile.write(AUDIO, np.zeros(32000), 16000), "audio-silent", TRAIN / "wav.scp", 3, THIRD
    ),
    "one side inverted": Break(inverted_side, "audio-silent", TRAIN / "wav.scp", 3, THIRD),
    "floats in the range of integers": Break(lambda: floats(20000), "audio-scale", TRAIN / "wav.scp", 3, THIRD),
    "floats beyond full scale": Break(lambda: floats(2), "audio-loud", TRAIN / "wav.scp", 3, THIRD),
    "half a WAV": Break(
        lambda: Path(AUDIO).write_bytes(Path(AUDIO).read_bytes()[:30000]),
        "audio-unreadable",
        TRAIN / "wav.scp",
        3,
        THIRD,
    ),
    "written with backslashes": Break(
        lambda: replace(TRAIN / "wav.scp", AUDIO, AUDIO.replace("/", "\\")),
        "audio-missing",
        TRAIN / "wav.scp",
        3,
        THIRD,
    ),
    "dead microphone": Break(lambda: sound(AUDIO, peak=0.001), "audio-quiet", TRAIN / "wav.scp", 3, THIRD),
    "clipped": Break(clipped, "audio-clipped", TRAIN / "wav.scp", 3, THIRD),
    "a blink": Break(
        lambda: (sound(AUDIO, seconds=0.05), line(TRAIN / "text", 3, b"anna-train-03 a\n")),
        "audio-short",
        TRAIN / "wav.scp",
        3,
        THIRD,
    ),
    "telephone": Break(lambda: sound(AUDIO, rate=8000), "audio-rate", TRAIN / "wav.scp", 3, THIRD),
    "stereo": Break(lambda: sound(AUDIO, channels=2), "audio-channels", TRAIN / "wav.scp", 3, THIRD),
    "audio twice": Break(
        lambda: replace(TRAIN / "wav.scp", AUDIO, "audio/anna-train-02.wav"), "audio-twice", TRAIN / "wav.scp", 3, THIRD
    ),
    "audio twice, written otherwise": Break(
        lambda: replace(TRAIN / "wav.scp", AUDIO, "./audio/../audio/anna-train-02.wav"),
        "audio-twice",
        TRAIN / "wav.scp",
        3,
        THIRD,
    ),
    "segment of two fields": Break(
        lambda: segment(3, "tape1 4"), "segment-fields", LONG / "segments", 3, "bert-long-03"
    ),
    "segment of words": Break(
        lambda: segment(3, "tape1 4 end"), "segment-fields", LONG / "segments", 3, "bert-long-03"
    ),
    "segment before": Break(
        lambda: segment(1, "tape1 -0.5 2"), "segment-negative", LONG / "segments", 1, "bert-long-01"
    ),
    "segment backwards": Break(
        lambda: segment(3, "tape1 6 4"), "segment-backwards", LONG / "segments", 3, "bert-long-03"
    ),
    "segment of no length": Break(
        lambda: segment(3, "tape1 4 4"), "segment-empty", LONG / "segments", 3, "bert-long-03"
    ),
    "segment of no tape": Break(
        lambda: segment(3, "tape9 4 6"), "segment-recording", LONG / "segments", 3, "bert-long-03"
    ),
    "segment past the end": Break(
        lambda: segment(5, "tape1 8 12"), "segment-outside", LONG / "segments", 5, "bert-long-05"
    ),
    "segment after the end": Break(
        lambda: segment(5, "tape1 10.1 10.2"), "segment-outside", LONG / "segments", 5, "bert-long-05"
    ),
    "segment a little long": Break(
        lambda: segment(5, "tape1 8 10.3"), "segment-overshoot", LONG / "segments", 5, "bert-long-05"
    ),
    "segments overlap": Break(lambda: segment(3, "tape1 3 6"), "segment-overlap", LONG / "segments", 3, "bert-long-03"),
    "tape of nothing": Break(
        lambda: (sound("audio/tape3.wav"), insert(LONG / "wav.scp", 3, b"tape3 audio/tape3.wav\n")),
        "unused-recording",
        LONG / "wav.scp",
        3,
        "tape3",
    ),
    "empty transcript": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03\n"), "empty-transcript", TRAIN / "text", 3, THIRD
    ),
    "empty sentence": Break(
        lambda: line(UNPAIRED / "text", 3, b"en-03  \n"), "empty-transcript", UNPAIRED / "text", 3, "en-03"
    ),
    "nothing but marks": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 ?! 12\n"), "no-letters", TRAIN / "text", 3, THIRD
    ),
    "escape": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 one\x1btwo\n"), "control-character", TRAIN / "text", 3, THIRD
    ),
    "line separator": Break(
        lambda: line(UNPAIRED / "text", 3, "en-03 one\u2028two\n".encode()),
        "control-character",
        UNPAIRED / "text",
        3,
        "en-03",
    ),
    "replacement": Break(
        lambda: line(TRAIN / "text", 3, "anna-train-03 caf\ufffd\n".encode()),
        "damaged-character",
        TRAIN / "text",
        3,
        THIRD,
    ),
    "UTF-8 as Latin-1": Break(
        lambda: line(TRAIN / "text", 3, "anna-train-03 cafÃ©\n".encode()), "damaged-character", TRAIN / "text", 3, THIRD
    ),
    "UTF-8 as Windows text": Break(
        lambda: line(TRAIN / "text", 3, "anna-train-03 straÃŸe\n".encode()), "mojibake", TRAIN / "text", 3, THIRD
    ),
    "marks of transcribers": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 [laughter] one <unk> two\n"),
        "transcriber-mark",
        TRAIN / "text",
        3,
        THIRD,
    ),
    "digits and a capital": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 One and 20.\n"), "not-normalised", TRAIN / "text", 3, THIRD
    ),
    "soft hyphen": Break(
        lambda: line(UNPAIRED / "text", 3, "en-03 co\u00adoperate\n".encode()),
        "not-normalised",
        UNPAIRED / "text",
        3,
        "en-03",
    ),
    "direction mark": Break(
        lambda: line(UNPAIRED / "text", 3, "en-03 text\u202e with\n".encode()),
        "not-normalised",
        UNPAIRED / "text",
        3,
        "en-03",
    ),
    "unpaired text in capitals": Break(
        lambda: (UNPAIRED / "text").write_text(
            "".join(f"{key} {value.upper()}\n" for key, value in read_table(UNPAIRED / "text").items())
        ),
        "two-alphabets",
        UNPAIRED / "text",
        1,
        "en-01",
    ),
    "two spaces": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 one  two\n"), "spaces", TRAIN / "text", 3, THIRD
    ),
    "wide space": Break(
        lambda: line(UNPAIRED / "text", 3, "en-03 one\u3000two\n".encode()), "spaces", UNPAIRED / "text", 3, "en-03"
    ),
    "a book in two seconds": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 " + b"many words " * 20 + b"\n"),
        "labels-per-second",
        TRAIN / "text",
        3,
        THIRD,
    ),
    "fast speech": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 " + b"many words " * 6 + b"\n"),
        "more-labels-than-frames",
        TRAIN / "text",
        3,
        THIRD,
    ),
    "another language": Break(
        lambda: line(TEST / "text", 3, "anna-test-03 это по русски\n".encode()),
        "all-unheard",
        TEST / "text",
        3,
        "anna-test-03",
    ),
    "test sentence in training": Break(
        lambda: line(TRAIN / "text", 3, b"anna-train-03 test has two\n"), "sentence-overlap", TRAIN / "text", 3, THIRD
    ),
    "test sentence in unpaired text": Break(
        lambda: line(UNPAIRED / "text", 3, b"en-03 Test has two.\n"), "unpaired-leak", UNPAIRED / "text", 3, "en-03"
    ),
    "a test utterance's id in training": Break(
        lambda: (sound("audio/other.wav"), everywhere_utterance("audio/other.wav")),
        "same-ids",
        TEST / "text",
        1,
        "anna-test-01",
    ),
    "a test utterance in training": Break(
        lambda: everywhere_utterance("audio/anna-test-01.wav"), "audio-overlap", TRAIN / "wav.scp", 1, "anna-test-01"
    ),
    "a test segment in training": Break(
        lambda: meeting("4.5 6.5"), "audio-overlap", LONG / "segments", 3, "bert-long-03"
    ),
    "one tape in training and test": Break(
        lambda: meeting("10 12"), "recording-in-sets", TEST / "segments", 1, "anna-test-01"
    ),
    "nearly all test sentences in training": Break(commands, "same-sentences", TEST / "text"),
    "test audio in training, by its whole path": Break(
        lambda: replace(TRAIN / "wav.scp", AUDIO, str(Path("audio/anna-test-03.wav").absolute())),
        "audio-overlap",
        TRAIN / "wav.scp",
        3,
        THIRD,
    ),
    "test audio in training": Break(
        lambda: replace(TRAIN / "wav.scp", AUDIO, "audio/anna-test-03.wav"),
        "audio-overlap",
        TRAIN / "wav.scp",
        3,
        THIRD,
    ),
    "dev sentence in test": Break(
        lambda: line(TEST / "text", 3, b"anna-test-03 dev has two\n"),
        "dev-test-overlap",
        TEST / "text",
        3,
        "anna-test-03",
    ),
    "sentence twice": Break(
        lambda: line(UNPAIRED / "text", 3, b"en-03 text with two\n"), "repeated-sentence", UNPAIRED / "text", 3, "en-03"
    ),
}


def run(command: str, *options: str) -> int:
    return main([command, "--conf", "conf.yaml", "--nj", "1", *options])


def found() -> list[tuple[str, str, str, int, str]]:
    """Level, rule, file, line and utterance of every finding in the report."""
    rows = [line.split("\t") for line in Path("data/validate.tsv").read_text().split("\n")[1:-1]]
    return [(row[0], row[1], row[2], int(row[3]), row[4]) for row in rows]


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in DATA.glob("x_*/*") if path.is_file()}


@pytest.mark.parametrize("name", BREAKS)
def test_break_is_found_and_mended_or_left(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    case = BREAKS[name]
    case.damage()
    rule = RULES[case.rule]
    assert run("validate") == (1 if rule.level == "ERROR" else 0)
    assert (rule.level, case.rule, str(case.path), case.line, case.utterance) in found()
    shown = capsys.readouterr()
    where = f"{case.path}:{case.line}" if case.line else str(case.path)
    assert f"{rule.level} {case.rule} {where}{' ' + case.utterance if case.utterance else ''}: " in shown.out
    assert "Traceback" not in shown.err
    if rule.level == "ERROR":
        assert case.rule in shown.err.strip().splitlines()[-1]
    broken, status = files(), fix(CONTEXT)
    if rule.mends:
        assert status == 0, capsys.readouterr().out
        assert case.rule not in {finding[1] for finding in found()}
        (backup,) = Path("data/backup").iterdir()
        for path in backup.glob("x_*/*"):
            assert path.read_bytes() == broken[str(DATA / path.relative_to(backup))]
        assert f"\t{case.path}\t" in (backup / "changes.tsv").read_text()
        mended = files()
        assert fix(CONTEXT) == 0
        assert files() == mended
        assert "nothing to mend" in capsys.readouterr().out
    else:
        assert case.rule in {finding[1] for finding in found()}
        assert status == (1 if rule.level == "ERROR" else 0)


def test_a_copy_of_the_test_set_is_no_corpus_of_commands() -> None:
    for path in LONG.iterdir():
        path.unlink()
    for path in TEST.iterdir():
        shutil.copy(path, LONG)
    for key, audio in read_table(LONG / "wav.scp").items():
        shutil.copy(audio, f"audio/copy-{key}.wav")
    replace(LONG / "wav.scp", "audio/anna-test-01.wav", "audio/copy-anna-test-01.wav")
    assert run("validate") == 1
    assert ("ERROR", "sentence-overlap", str(LONG / "text"), 1, "anna-test-01") in found()
    assert ("ERROR", "audio-overlap", str(LONG / "wav.scp"), 2, "anna-test-02") in found()
    assert run("validate", "--data.same_sentences", "true") == 1, "the audio is the same"


def test_there_are_enough_and_every_rule_is_provoked() -> None:
    assert len(BREAKS) >= 40
    always = {"speaker-overlap"}  # the sound sets have one speaker: see test_validate.py
    assert {case.rule for case in BREAKS.values()} == RULES.keys() - always

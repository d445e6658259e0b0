"""Augmentation of training speech: pure draws, every source, what is refused, and that nothing else changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError, DataError, JointstError
from jointst.config import AugmentationConfig
from jointst.config.load import parse
from jointst.data.harder import Harder, make_harder
from jointst.data.noise import power
from jointst.data.sound_folders import find_pieces

RATE = 16000
ALL = {"noise": 0.7, "room": 0.5, "codec": 0.4, "gain": (-6.0, 6.0)}


def speech(length: int = 4000, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(length)).astype(np.float32)


def sound(path: str, seconds: float = 0.5, rate: int = RATE, seed: int = 0, scale: float = 0.1) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, scale * np.random.default_rng(seed).standard_normal(round(seconds * rate)), rate)
    return path


def harder(seed: int = 0, remembered: Path | None = None, **settings: object) -> Harder:
    plain = {"noises": ("white", "pink", "brown")}
    made = make_harder(AugmentationConfig(**{**plain, **settings}), RATE, seed, [], remembered)
    assert made is not None
    return made


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_draws_depend_on_seed_step_and_utterance_alone() -> None:
    change, again, other = harder(**ALL), harder(**ALL), harder(seed=1, **ALL)
    seen = {}
    for step in range(12):
        for name in ("a", "b"):
            seen[step, name] = change(speech(), utterance=name, step=step)
    for (step, name), heard in reversed(seen.items()):  # as a run that goes on, in another order
        np.testing.assert_array_equal(again(speech(), utterance=name, step=step), heard)
    assert len({heard.tobytes() for heard in seen.values()}) == len(seen)
    differ = [not np.array_equal(other(speech(), utterance=n, step=s), heard) for (s, n), heard in seen.items()]
    assert sum(differ) == len(seen), "gains are drawn for all"


def test_lengths_stay_and_shares_are_as_stated() -> None:
    change = harder(noise=0.3, snr=(10.0, 10.0))
    changed = 0
    for step in range(400):
        heard = change(speech(300), utterance="a", step=step)
        assert heard.dtype == np.float32
        assert heard.shape == (300,)
        if not np.array_equal(heard, speech(300)):
            changed += 1
            ratio = power(speech(300)) / power(heard - speech(300))
            assert 10 * math.log10(ratio) == pytest.approx(10.0, abs=1e-2)
    assert 0.22 < changed / 400 < 0.38


def test_gain_is_in_decibels() -> None:
    heard = harder(gain=(-6.0, -6.0))(speech(), utterance="a", step=0)
    np.testing.assert_allclose(heard, speech() * 10 ** (-6 / 20), rtol=1e-6)


@pytest.mark.parametrize("settings", [{"noise": 1.0}, {"room": 1.0}, {"codec": 1.0}])
@pytest.mark.parametrize("length", [1, 399, 16000])
def test_speech_of_any_length(settings: dict[str, float], length: int) -> None:
    for step in range(4):
        assert harder(**settings)(speech(length), utterance="a", step=step).shape == (length,)


def test_nothing_is_made_where_nothing_is_stated() -> None:
    assert make_harder(AugmentationConfig(noises=("nowhere",)), RATE, 0, []) is None


def test_noise_of_a_folder_is_a_part_of_one_of_its_files() -> None:
    ramp = np.linspace(0.1, 0.9, RATE).astype(np.float32)
    Path("n/deep").mkdir(parents=True)
    soundfile.write("n/deep/long.flac", ramp, RATE)
    sound("n/short.WAV", seconds=0.05)
    Path("n/LICENSE").write_text("free")
    change = harder(noise=1.0, noises=("n",), snr=(0.0, 0.0))
    rising = 0
    for step in range(40):
        made = change(speech(), utterance="a", step=step) - speech()
        assert power(made) == pytest.approx(power(speech()), rel=1e-3)
        rising += bool((np.diff(made) > 0).all())
    assert 10 <= rising <= 30, "either file is as likely"


def test_noises_of_a_kaldi_directory_at_another_rate_in_segments() -> None:
    sound("audio/r.wav", seconds=2.0, rate=8000)
    Path("k").mkdir()
    Path("k/wav.scp").write_text("r audio/r.wav\nunused missing.wav\n")
    Path("k/segments").write_text("r-1 r 0.5 0.7\nr-2 r 1 -1\n")
    pieces = find_pieces("k", None)
    assert [(piece.name, piece.start, round(piece.seconds, 6)) for piece in pieces] == [
        ("r-1", 0.5, 0.2),
        ("r-2", 1, 1),
    ]
    assert [len(piece.read(RATE)) for piece in pieces] == [3200, 16000]
    np.testing.assert_array_equal(pieces[1].read(8000, (0.25, 0.5)), pieces[1].read(8000)[2000:4000])
    change = harder(noise=1.0, noises=("./k",))
    assert not np.array_equal(change(speech(), utterance="a", step=0), speech())


def test_rooms_of_a_folder(tmp_path: Path) -> None:
    Path("r").mkdir()
    response = np.zeros(800, dtype=np.float32)
    response[400] = 0.5
    soundfile.write("r/plain.wav", response, RATE)
    heard = harder(room=1.0, rooms=("r",))(speech(), utterance="a", step=0)
    np.testing.assert_allclose(heard, speech(), atol=1e-6)


def test_what_was_found_is_remembered_and_a_changed_file_is_read_again() -> None:
    sound("n/a.wav")
    harder(remembered=Path("kept"), noise=1.0, noises=("n",))
    (kept,) = Path("kept").iterdir()
    before = kept.read_text()
    harder(remembered=Path("kept"), noise=1.0, noises=("n",))
    assert kept.read_text() == before
    Path("n/a.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"n/a\.wav: "):
        harder(remembered=Path("kept"), noise=1.0, noises=("n",))


def silent(path: str) -> None:
    sound(path, scale=0.0)


def not_finite(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.array([0.1, np.nan, 0.2] * 400), RATE, subtype="FLOAT")


def of_another_unit(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 3000 * speech(), RATE, subtype="FLOAT")


def text(path: str, content: str = "not sound\n") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(content)


def truncated(path: str) -> None:
    sound(path)
    Path(path).write_bytes(Path(path).read_bytes()[:3000])


def kaldi(wav_scp: str, segments: str = "") -> Callable[[str], None]:
    def make(path: str) -> None:
        sound("there.wav")
        text(str(Path(path).parent / "wav.scp"), wav_scp)
        if segments:
            text(str(Path(path).parent / "segments"), segments)

    return make


BROKEN: list[tuple[str, Callable[[str], object], str]] = [
    ("empty folder", lambda path: Path(path).parent.mkdir(), r"n: holds nothing \(in training.augmentation.noises\)"),
    ("no sounds", lambda path: text("n/a.txt"), r"n: holds 1 files, and none .*put sound files there \(\.wav "),
    ("a file", lambda path: text("n"), "n: is a file, not a folder.*name a folder of sound files"),
    ("text", text, r"n/a\.wav: is no sound but text"),
    ("no bytes", lambda path: text(path, ""), r"n/a\.wav: "),
    ("cut off", truncated, r"n/a\.wav: .*(promises|cut off)"),
    ("silent", silent, r"n/a\.wav: is silent.*remove it"),
    ("not finite", not_finite, r"n/a\.wav: holds samples that are no finite numbers"),
    ("unit", of_another_unit, r"n/a\.wav: has samples up to"),
    ("empty wav.scp", kaldi(""), r"n/wav\.scp: an empty table"),
    ("bad wav.scp", kaldi("a\n"), r"n/wav\.scp:1 utterance a: has a key and no value"),
    ("missing", kaldi("a gone.wav\n"), r"gone\.wav: there is no such file"),
    ("pipe", kaldi("a cat there.wav |\n"), "is a pipe, which would run a shell command"),
    ("bad segment", kaldi("a there.wav\n", "s a 3\n"), r"n/segments utterance s: '.*' is not a segment"),
    ("lost recording", kaldi("a there.wav\n", "s b 0 1\n"), r"n/segments utterance s: is of the recording b"),
    ("outside", kaldi("a there.wav\n", "s a 3 4\n"), r"there\.wav utterance s: the segment .* lies outside"),
]


@pytest.mark.parametrize(("make", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("key", ["noise", "room"])
def test_what_cannot_be_used_is_named_before_training_begins(
    key: str, make: Callable[[str], object], said: str
) -> None:
    make("n/a.wav")
    said = said.replace(".noises", f".{key}s")
    with pytest.raises(DataError, match=said) as raised:
        harder(**{key: 1.0, f"{key}s": ("n",)})
    assert f"training.augmentation.{key}s" in str(raised.value)
    assert raised.value.fix


def test_a_long_room_response_is_refused() -> None:
    sound("n/a.wav", seconds=21)
    with pytest.raises(DataError, match=r"n/a\.wav: is 21\.0 s long, and a room response.*name noises under noises"):
        harder(room=1.0, rooms=("n",))


def test_a_source_that_is_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"noises: there is no folder pnik \(.*white pink brown babble"):
        harder(noise=1.0, noises=("pnik",))
    with pytest.raises(ConfigError, match=r"rooms: there is no folder pink \(.*made"):
        harder(room=1.0, rooms=("pink",))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("noise", "-0.1", "a share, 0 to 1"),
        ("room", "1.5", "a share, 0 to 1"),
        ("codec", ".nan", "a share, 0 to 1"),
        ("snr", "[20, 5]", r"is 20 to 5 decibels, upside down \(\[5, 20\]\)"),
        ("snr", "[5, 500]", "within -100 to 100"),
        ("snr", "[5]", "snr"),
        ("gain", "[3, -3]", "upside down"),
        ("reverberation", "[0, 1]", "within 0.05 to 5"),
        ("noises", "[]", "is empty"),
        ("noises", "['']", "holds an empty name"),
        ("codecs", "[mp3]", "'mp3' is unknown.*mu_law a_law"),
    ],
)
def test_settings_that_cannot_work_are_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(JointstError, match=said) as raised:
        parse("train", "", ["--features.storage", "on_the_fly", f"--training.augmentation.{key}", value])
    assert f"training.augmentation.{key}" in str(raised.value)


def test_settings_that_need_audio_or_arks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"training\.augmentation: .*features\.storage: on_the_fly"):
        parse("train", "", ["--training.augmentation.noise", "0.5"])
    frozen = ["--model.audio_encoder.kind", "whisper", "--model.audio_encoder.source", "whisper-base"]
    with pytest.raises(ConfigError, match=r"features\.storage: is on_the_fly.*frozen whisper.*arks"):
        parse("train", "", [*frozen, "--features.storage", "on_the_fly"])

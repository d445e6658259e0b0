"""The Asterisk prompts: which lines are clean, which accents come back, and a preparation from packages made here."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig
from jointst.data.corpora import prompts, split_of
from jointst.data.corpora.prompts_repairs import repair_marks, repair_words
from jointst.kaldi.directory import DataDirectory


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("All circuits are busy now.", "en"),
        ("...to exit the menu.", "en"),
        ("Sorry, I am not here. A caller waits.", "en"),
        ("À la tonalité, veuillez dire votre nom.", "fr"),
        ("E' in uso.", "it"),
        ("Login non corretta. Casella di posta?", "it"),
        ("Что-то тут совсем не так...", "ru"),
        ("О чём речь? И где?", "ru"),
    ],
)
def test_clean(text: str, lang: str) -> None:
    assert prompts.is_clean(text, lang)


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Press 1 to accept.", "en"),
        ("[this is a tone]", "en"),
        ("Use the key for Q, please.", "en"),
        ("For more information, visit www.asterisk.org", "en"),
        ("Four P.M. sharp", "en"),
        ("The PBX is here.", "en"),
        ("press * to toggle", "en"),
        ("Voice over VoIP is nice.", "en"),
        ("M I S D N", "es"),
        ("suivi du dièse.vm-review: Pour enlever", "fr"),
        ("è stato eliminato. vm-then-pound: poi premere", "it"),
        ("La conferenza sar? lunga", "it"),
        ("Вам звонит первoe лицо", "ru"),  # with Latin letters
        ("Нажмите клавишу А сейчас", "ru"),
        ("", "en"),
    ],
)
def test_unclean(text: str, lang: str) -> None:
    assert not prompts.is_clean(text, lang)


@pytest.mark.parametrize(
    ("lost", "mended", "lang"),
    [
        ("esta extension es un numero", "esta extensión es un número", "es"),
        ("algo esta terriblemente mal", "algo está terriblemente mal", "es"),
        ("numeroso autenticaciones", "numeroso autenticaciones", "es"),  # whole words only
        ("desole vous avez des problemes", "désolé vous avez des problèmes", "fr"),
        ("vérouiller ou déverouillée", "verrouiller ou déverrouillée", "fr"),
        ("e in uso", "è in uso", "it"),
        ("numero extension", "numero extension", "it"),
    ],
)
def test_repair_words(lost: str, mended: str, lang: str) -> None:
    assert repair_words(lost, lang) == mended
    assert repair_words(mended, lang) == mended


def test_repair_question_marks() -> None:
    assert repair_marks("non pu? essere completata cos? come", "it") == "non può essere completata così come"
    assert repair_marks("Se questo ? corretto", "it") == "Se questo è corretto"
    assert repair_marks("Di posta? Sì. In pi? Ecco", "it") == "Di posta? Sì. In pi? Ecco"  # ends of sentences
    assert repair_marks("how ? come", "en") == "how ? come"


def test_split_is_stable_and_about_eighty_eight_twelve() -> None:
    parts = [split_of("en", f"sentence number {number}") for number in range(5000)]
    assert [round(parts.count(part) / 5000, 2) for part in ("train", "dev", "test")] == pytest.approx(
        [0.80, 0.08, 0.12], abs=0.015
    )
    assert split_of("en", "please try again") == "test"  # another value would mix training and test of older runs


def make_packages(downloads: Path) -> None:
    """Two real .deb archives with six clips of English."""
    lines = ["\ufeff; a comment", "hello: Hello!", "b/again: Please try again.", "busy: All lines are busy.", ""]
    lines += ["again-2: please, TRY again", "gone: This clip is missing.", "menu: Press 1 now.", "busy: A second line."]
    files = {
        "asterisk-core-sounds-en": {"usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz": None},
        "asterisk-core-sounds-en-g722": {
            f"usr/share/asterisk/sounds/en_US_f_Allison/{name}.g722": name
            for name in ("hello", "b/again", "busy", "again-2", "menu")
        },
    }
    for package, contents in files.items():
        root = downloads / "tree" / package
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN" / "control").write_text(
            f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: t\n"
        )
        for path, name in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if name is None:
                (root / path).write_bytes(gzip.compress("\n".join(lines).encode()))
            else:
                write_g722(root / path)
        call = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(root), str(downloads / f"{package}_1_all.deb")]
        subprocess.run(call, check=True, capture_output=True)
    shutil.rmtree(downloads / "tree")


def write_g722(path: Path) -> None:
    """One second of a tone."""
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.int16)
    with av.open(str(path), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=16000, layout="mono")
        for start in range(0, 16000, 320):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 320], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg")
def test_prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("downloads").mkdir()
    make_packages(Path("downloads"))
    config = CorpusConfig(languages=("en", "zh"))
    made = prompts.prepare(config, Path("data"), nj=1)
    assert [path.name for path in made] == ["prompts_train", "prompts_dev", "prompts_test"]
    kept = {}
    for path in made:
        if (path / "text").stat().st_size:
            directory = DataDirectory.read(path)
            kept.update(directory.text)
            assert all(key.startswith("allison-en-") for key in directory.text)
            assert directory.languages == ["en"]
            for entry in directory.wav_scp.values():
                samples, rate = soundfile.read(entry)
                assert rate == 16000
                assert np.abs(np.fft.rfft(samples[:16000])).argmax() == pytest.approx(440, abs=2)
    # "hello" is one word, "TRY" an acronym, "gone" has no clip, "menu" a digit, and the first "busy" counts
    assert kept == {"allison-en-b-again": "please try again", "allison-en-busy": "all lines are busy"}
    flac = Path("data/audio/prompts/en/busy.flac")
    before = flac.stat().st_mtime_ns
    prompts.prepare(config, Path("data"), nj=1)
    assert flac.stat().st_mtime_ns == before


def test_prepare_refuses_other_languages(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="corpus.languages: prompts has none of them"):
        prompts.prepare(CorpusConfig(languages=("zh",), downloads=str(tmp_path)), tmp_path, nj=1)


def test_damaged_transcripts(tmp_path: Path) -> None:
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"a: b c")[:-9])
    with pytest.raises(DataError, match=r"x\.txt\.gz: cannot be read"):
        prompts.read_prompts(tmp_path / "x.txt.gz", "en")

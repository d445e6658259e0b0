"""gcin_voice and tuxpaint_stamps from packages as if unpacked, written here in their own layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig, LexiconConfig
from jointst.data.corpora import gcin_voice, tuxpaint_stamps
from jointst.kaldi.directory import DataDirectory
from jointst.text.pronounce import phonemizer


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(1600, 0.1), 16000)


def merged(made: list[Path]) -> dict[str, str]:
    """Text of all sets; no text is in two."""
    sets = [DataDirectory.read(path) for path in made if (path / "text").stat().st_size]
    texts = [set(item.text.values()) for item in sets]
    assert sum(len(part) for part in texts) == len(set.union(*texts))
    return {utterance: text for item in sets for utterance, text in item.text.items()}


def test_gcin_syllables_become_characters_that_are_read_so() -> None:
    folder = Path("downloads/debian/gcin-voice") / gcin_voice.FOLDER
    for syllable in ("ㄊㄢ3", "ㄇㄚ", "ㄇㄚ1", "ㄅ"):
        for voice in ("3", "5"):
            touch(folder / syllable / f"{voice}.ogg")
    text = merged(gcin_voice.prepare(CorpusConfig(languages=("zh",)), Path("data"), nj=1))
    assert set(text) == {f"{speaker}-gcin-{name}" for speaker in ("liu", "luo") for name in ("ㄊㄢ3", "ㄇㄚ", "ㄇㄚ1")}
    spoken = {name: phonemizer("zh", LexiconConfig()).spoken(text[f"liu-gcin-{name}"]) for name in ("ㄊㄢ3", "ㄇㄚ")}
    assert spoken == {"ㄊㄢ3": "tan3", "ㄇㄚ": "ma1"}
    assert text["liu-gcin-ㄇㄚ1"] in "吗嘛"
    with pytest.raises(ConfigError, match="add zh"):
        gcin_voice.prepare(CorpusConfig(languages=("en",)), Path("data"), nj=1)


def test_gcin_knows_nearly_all_syllables() -> None:
    assert len(gcin_voice.characters()) > 1150


def test_gcin_without_recordings() -> None:
    (Path("downloads/debian/gcin-voice") / gcin_voice.FOLDER).mkdir(parents=True)
    with pytest.raises(DataError, match="the recordings are missing"):
        gcin_voice.prepare(CorpusConfig(languages=("zh",)), Path("data"), nj=1)


def stamp(name: str, text: str, *languages: str) -> None:
    folder = Path("downloads/debian/tuxpaint-stamps-default") / tuxpaint_stamps.FOLDER
    for lang in languages:
        touch(folder / f"{name}_desc_{lang}.ogg")
    if text:
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def test_tuxpaint() -> None:
    stamp("birds/owl", "An owl.\nfr.utf8=Un hibou.\nru.utf8=Сова.\npt_BR.utf8=Uma coruja.\n", "fr", "ru", "es")
    stamp("birds/big owl", "An owl.\nfr.utf8=Un grand-duc !\n", "fr")
    stamp("money/cent", "A cent\nfr.utf8=Une pièce de 1 cent (0,01 $)\n", "fr")
    stamp("birds/silent", "", "fr")
    stamp("birds/rook", "A rook\nes.utf8=Un grajo.\n", "es", "be")
    made = tuxpaint_stamps.prepare(CorpusConfig(), Path("data"), nj=1)
    assert merged(made) == {
        "tuxpaint_fr-birds-owl": "un hibou",
        "tuxpaint_fr-birds-big_owl": "un grand duc",
        "tuxpaint_ru-birds-owl": "сова",
        "tuxpaint_es-birds-rook": "un grajo",
    }
    with pytest.raises(ConfigError, match="only es fr ru"):
        tuxpaint_stamps.prepare(CorpusConfig(languages=("en",)), Path("data"), nj=1)


def test_tuxpaint_without_clips() -> None:
    (Path("downloads/debian/tuxpaint-stamps-default") / tuxpaint_stamps.FOLDER).mkdir(parents=True)
    with pytest.raises(DataError, match="no clips in es"):
        tuxpaint_stamps.prepare(CorpusConfig(), Path("data"), nj=1)

"""festvox-ru: prompts, stress marks and the split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig
from jointst.data.corpora import festvox_ru
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.phone_times import read_phone_times


def test_prompts(tmp_path: Path) -> None:
    path = tmp_path / "txt.done.data"
    path.write_text('( ru_0001 "Она завела, прядь вол+ос, - +Окна." )\n( ru_0002 "Ещё раз!" ) \n')
    assert festvox_ru.read_prompts(path) == {"ru_0001": "она завела прядь волос окна", "ru_0002": "ещё раз"}
    path.write_text('( ru_0001 "a" )\nru_0002 b\n')
    with pytest.raises(DataError, match=r"txt\.done\.data:2: .*is not a prompt"):
        festvox_ru.read_prompts(path)


def test_sets_share_no_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    voice = Path("downloads/debian/festvox-ru") / festvox_ru.VOICE
    (voice / "etc").mkdir(parents=True)
    (voice / "wav").mkdir()
    (voice / "lab").mkdir()
    letters = "абвгдежзик"
    lines = []
    for number in range(100):
        name = f"ru_{number:04d}"
        lines.append(f'( {name} "слово {letters[number // 10]} {letters[number % 10 // 2]}" )')  # each sentence twice
        soundfile.write(voice / "wav" / f"{name}.wav", np.full(8000 * 10, 0.1), 8000)
        (voice / "lab" / f"{name}.lab").write_text("separator ;\n#\n0.10 125 pau\n0.25 125 s\n0.40 125 l\n")
    (voice / "etc" / "txt.done.data").write_text("\n".join(lines) + "\n")
    made = festvox_ru.prepare(CorpusConfig(languages=("ru",)), Path("data"), nj=1)
    sets = [DataDirectory.read(path) for path in made]
    assert [item.path.name for item in sets] == ["festvox_ru_train", "festvox_ru_dev", "festvox_ru_test"]
    assert sum(len(item.text) for item in sets) == 100
    sentences = [set(item.text.values()) for item in sets]
    assert sum(len(part) for part in sentences) == 50 == len(set.union(*sentences))
    (voice / "wav" / "ru_0042.wav").unlink()
    (voice / "lab" / "ru_0043.lab").unlink()
    made = festvox_ru.prepare(CorpusConfig(languages=("ru",)), Path("data"), nj=1)
    assert sum(len(DataDirectory.read(path).text) for path in made) == 98
    left = Path("data/left_out_festvox_ru.tsv").read_text()
    assert "ru_0042.wav: there is no such file" in left
    assert "ru_0043.lab" in left


def test_sentences_are_cut_and_training_says_nothing_of_the_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    voice = Path("downloads/debian/festvox-ru") / festvox_ru.VOICE
    for folder in ("etc", "wav", "lab"):
        (voice / folder).mkdir(parents=True)
    sentences = {"ru_0001": "Дома, нет.", "ru_0002": "Сам, дома.", "ru_0003": "Пусто, ц"}
    (voice / "etc" / "txt.done.data").write_text("".join(f'( {k} "{v}" )\n' for k, v in sentences.items()))
    labels = {"ru_0001": "d oo m a pau n ee t", "ru_0002": "s aa m pau d oo m a", "ru_0003": "p uu s t a pau c"}
    for name, phones in labels.items():
        soundfile.write(voice / "wav" / f"{name}.wav", np.full(8000 * 10, 0.1), 8000)
        lines = [f"{place + 1}.0 125 {phone}\n" for place, phone in enumerate(phones.split())]
        (voice / "lab" / f"{name}.lab").write_text("#\n" + "".join(lines))
    parts = {"дома нет": "train", "сам дома": "test", "пусто ц": "dev"}
    monkeypatch.setattr(festvox_ru, "split_of", lambda lang, sentence: parts[sentence])
    train, dev, test = (
        DataDirectory.read(path) for path in festvox_ru.prepare(CorpusConfig(languages=("ru",)), Path("data"), nj=1)
    )
    assert test.text == {"nsh-ru_0002-0000-0350": "сам", "nsh-ru_0002-0350-0800": "дома"}
    assert train.text == {"nsh-ru_0001-0450-0800": "нет"}  # "дома" is in the test
    assert dev.text == {"nsh-ru_0003-0000-0700": "пусто ц"}  # the last phrase would be too short
    assert test.segments["nsh-ru_0002-0350-0800"] == Segment("nsh-ru_0002", 3.5, 8.0)
    times = read_phone_times(test.path)["nsh-ru_0002-0350-0800"]
    assert [str(time) for time in times[:2]] == ["0.000:0.500:sil", "0.500:1.500:d"]
    assert set(train.wav_scp) == {"nsh-ru_0001"}
    (voice / "etc" / "txt.done.data").write_text('( ru_0001 "Wow" )')
    with pytest.raises(DataError, match=r"ru_0001\.lab: does not fit 'wow': 'w' is not a letter"):
        festvox_ru.prepare(CorpusConfig(languages=("ru",)), Path("data"), nj=1)


def test_needs_russian(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="add ru"):
        festvox_ru.prepare(CorpusConfig(languages=("en",)), tmp_path, nj=1)

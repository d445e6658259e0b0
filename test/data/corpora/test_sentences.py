"""Which sentences are kept as unpaired text, and the counts of the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from jointst.common.errors import ConfigError
from jointst.config import CorpusConfig
from jointst.data.corpora.sentences import (
    Selection,
    cut_phrases,
    has_right_length,
    held_out_sentences,
    is_readable,
    prepare_packages,
    select_readable,
    split_sentences,
    write_set,
)
from jointst.kaldi.directory import DataDirectory
from jointst.text.scripts import is_written_in


@pytest.mark.parametrize(
    ("sentence", "lang", "readable"),
    [
        ("Der Rahmen wird mit der Maus skaliert.", "de", True),
        ("Öffnet LibreOffice.", "de", False),
        ("Es sind 3 Rahmen.", "de", False),
        ("Die UNO wird geladen.", "de", False),
        ("Der Wert (hier) zählt.", "de", False),
        ("Die Größe à la carte.", "de", False),
        ("L'élément n'existe pas.", "fr", True),
        ("Удаляет выделенный элемент.", "ru", True),
        ("Удаляет элемент Draw.", "ru", False),
        ("返回二項分布。", "zh", True),
        ("返回 Calc 值。", "zh", False),
        ("確率を返します。", "ja", True),
        ("यह पाठ हटाता है।", "hi", True),
        ("This is English.", "hi", False),
        ("...", "en", False),
    ],
)
def test_readable(sentence: str, lang: str, readable: bool) -> None:
    assert is_readable(sentence, lang) is readable


def test_length() -> None:
    assert not has_right_length("zwei worte", "de")
    assert has_right_length("drei kurze worte", "de")
    assert not has_right_length(" ".join(["wort"] * 26), "de")
    assert has_right_length("一二三四五", "zh")
    assert not has_right_length("一二三四", "zh")


def test_split() -> None:
    assert split_sentences("Ein Satz, z.B. dieser.\n Gilt\tdas? Ohne Ende") == ["Ein Satz, z.B. dieser.", "Gilt das?"]
    assert split_sentences("第一句。第二句！没有") == ["第一句。", "第二句！"]


@pytest.mark.parametrize(
    ("sentence", "longest", "phrases"),
    [
        ("Eins, zwei; drei: vier.", None, ["Eins, zwei; drei: vier."]),
        ("Eins, zwei; drei: vier.", 23, ["Eins, zwei; drei: vier."]),
        ("Eins, zwei; drei: vier.", 22, ["Eins, zwei; drei:", "vier."]),
        ("Eins, zwei; drei: vier.", 12, ["Eins, zwei;", "drei: vier."]),
        ("Eins, zwei; drei: vier.", 1, ["Eins,", "zwei;", "drei:", "vier."]),
        ("Ohne ein Zeichen ist nichts zu teilen.", 10, ["Ohne ein Zeichen ist nichts zu teilen."]),
        ("Ja, ohne ein Zeichen ist nichts zu teilen.", 10, ["Ja,", "ohne ein Zeichen ist nichts zu teilen."]),
        ("Жизнь — это сон, сказал он.", 10, ["Жизнь", "— это сон,", "сказал он."]),
        ("第一部分，第二部分、第三。", 7, ["第一部分，", "第二部分、", "第三。"]),
    ],
)
def test_cut_phrases(sentence: str, longest: int | None, phrases: list[str]) -> None:
    assert cut_phrases(sentence, longest) == phrases


def test_select() -> None:
    written = ["Das ist ein Satz.", "Zu kurz.", "Es sind 3 Rahmen hier.", "Привет мир и все."]
    chosen = select_readable(written, "de")
    assert (chosen.sentences, chosen.left_out) == (["das ist ein satz"], Counter(script=2, length=1))
    assert chosen.line() == "de: 1 of 4 sentences; left out: script 2, length 1"
    cut = select_readable(["Das ist ein Satz, der zwei Teile hat."], "de", longest_phrase=20)
    assert cut.sentences == ["das ist ein satz", "der zwei teile hat"]
    held = select_readable(["Das ist ein Satz, der zwei Teile hat."], "de", 20, {"das ist ein satz der zwei teile hat"})
    assert (held.sentences, held.left_out) == ([], Counter(held_out=1))


@pytest.mark.parametrize(
    ("text", "lang", "written"),
    [
        ("grüße aus łódź", "de", True),
        ("hello мир", "en", False),
        ("удаляет элемент draw", "ru", True),
        ("draw calc удаляет", "ru", False),
        ("打开gnome桌面设置", "zh", True),
        ("this is english", "hi", False),
        ("", "en", False),
    ],
)
def test_script(text: str, lang: str, written: bool) -> None:
    assert is_written_in(text, lang) is written


def test_a_set_is_a_fair_sample_without_what_must_not_be_in_it(tmp_path: Path) -> None:
    DataDirectory(tmp_path, {"a": "Held out!", "b": "raw"}, utt2lang={"a": "de"}).write(tmp_path / "own_dev_clean")
    DataDirectory(tmp_path, {"a": "kept"}, utt2lang={"a": "de"}).write(tmp_path / "own_train")
    assert held_out_sentences(tmp_path) == {"Held out!", "held out", "raw"}
    german = [f"satz {number}" for number in range(40)]
    found = {
        "de": Selection("de", [*german, "held out", "satz 1", "english"], Counter(length=2)),
        "en": Selection("en", ["english", "english"]),
    }
    path = write_set("some_text", found, tmp_path, ["de"], 10)
    directory = DataDirectory.read(path)
    assert (path.name, directory.utterances[0]) == ("some_text_unpaired", "some-text-de-000000")
    assert set(directory.text.values()) < set(german)
    counts = (path / "left_out.tsv").read_text().splitlines()[1].split("\t")
    assert counts[:7] == ["de", "45", "10", "0", "2", "1", "1"]
    assert int(counts[7]) + int(counts[8]) == 31
    more = DataDirectory.read(write_set("some_text", found, tmp_path, ["de"], 20))
    assert set(directory.text.values()) < set(more.text.values())


def test_a_source_without_text_in_any_language_is_refused(tmp_path: Path) -> None:
    config = CorpusConfig(languages=("ar", "hi"))
    with pytest.raises(ConfigError, match=r"some_text has no text in ar hi \(it has de\)"):
        prepare_packages("some_text", {"de": ["p"]}, lambda folder, lang: [], config, tmp_path, nj=1)

"""The lexicon stage on small directories: coverage, unknown words, the user's lexicon, and what is made again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jointst.common.errors import DataError
from jointst.common.languages import LANGUAGES
from jointst.config import Config, DataConfig, LexiconConfig
from jointst.config.context import Context, Made
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table
from jointst.recipe.stages import STAGES
from jointst.text.lexicon import PhoneTable, run

TEXT = {
    "train": {"de-1": "öffne die tür", "zh-1": "打开门", "ja-1": "本を買って", "en-1": ""},
    "dev": {"de-2": "die tür", "en-2": "open привет door"},
    "test": {"de-3": "zwei kisten", "fr-1": "bonjour"},
    "unpaired": {"de-4": "zwei türen", "en-3": "open the door"},
}


def context(root: Path, nj: int = 1, **settings: object) -> Context:
    data = DataConfig(root=str(root), train=("train",), dev=("dev",), test=("test",), unpaired=("unpaired",))
    return Context(config=Config(data=data, lexicon=LexiconConfig(**settings)), name="x", nj=nj)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in TEXT.items():
        utt2lang = {utterance: utterance[:2] for utterance in text}
        DataDirectory(tmp_path / name, text, utt2lang=utt2lang).write(tmp_path / name)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_phone_strings_follow_the_lexicon(root: Path) -> None:
    made = run(context(root))
    assert (made.where / "lexicon_de.txt").read_text().splitlines() == [
        "die d iː", "kisten k ɪ s t ə n", "tür t yː ɾ", "türen t yː r ə n", "zwei ts v aɪ", "öffne œ f n ə",
    ]  # fmt: skip
    assert read_table(root / "train" / "phones") == {
        "de-1": "œ f n ə d iː t yː ɾ",
        "en-1": "",
        "ja-1": "h o̞ ɴ o̞ k ä t t e̞",
        "zh-1": "t ɑ3 kʰ ai1 m ə2 n",
    }
    for name in TEXT:
        assert read_table(root / name / "phones").keys() == TEXT[name].keys()


def test_words_without_a_pronunciation_are_listed_and_counted(root: Path) -> None:
    made = run(context(root))
    assert (made.where / "unknown_en.txt").read_text() == "привет\n"
    assert (made.where / "unknown_de.txt").read_text() == ""
    assert read_table(root / "dev" / "phones")["en-2"] == "oʊ p ə n <unk> d ɔːɹ"
    assert "1 words without a pronunciation" in made.what
    rows = [line.split("\t") for line in (made.where / "report.tsv").read_text().splitlines()]
    report = {(row[0], row[1]): row[2:] for row in rows}
    assert report["language", "set"] == ["running_words", "covered", "coverage", "not_in_training", "oov_share"]
    assert report["en", "dev"] == ["3", "2", "0.6667", "3", "1.0000"]
    assert report["de", "dev"] == ["2", "2", "1.0000", "0", "0.0000"]
    assert report["en", "train"] == ["0", "0", "1.0000", "0", "0.0000"]
    assert ("fr", "train") not in report


def test_the_phone_table_knows_training_and_unpaired_text_only(root: Path) -> None:
    made = run(context(root))
    table = PhoneTable.read(made.where / "phones.txt")
    assert table.symbols[:3] == ("<pad>", "<unk>", "<mask>")
    assert list(table.symbols[3:]) == sorted(table.symbols[3:])
    assert table.encode("<unk> ʁ aɪ") == [1, 1, table.symbols.index("aɪ")]
    assert "phones in dev or test sets only" in made.what
    for name in ("train", "unpaired"):
        for phones in read_table(root / name / "phones").values():
            assert all(index > 2 for index in table.encode(phones))


def test_word_boundaries(root: Path) -> None:
    made = run(context(root, word_boundary=True))
    assert read_table(root / "train" / "phones")["zh-1"] == "t ɑ3 kʰ ai1 | m ə2 n"
    assert PhoneTable.read(made.where / "phones.txt").symbols[-1] == "|"


def test_the_user_lexicon_wins(root: Path) -> None:
    user = root / "user_de.txt"
    user.write_text("die X Y\ndie Z\n\nmissing Q\n")
    made = run(context(root, user_lexicon=str(root / "user_{lang}.txt")))
    assert read_table(root / "dev" / "phones")["de-2"] == "X Y t yː ɾ"
    assert "X" in PhoneTable.read(made.where / "phones.txt").symbols
    assert "missing" not in (made.where / "lexicon_de.txt").read_text()
    user.write_text("die W\n")
    run(context(root, user_lexicon=str(root / "user_{lang}.txt")))
    assert read_table(root / "dev" / "phones")["de-2"] == "W t yː ɾ"


def test_a_language_without_a_voice_has_the_user_s_pronunciations_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LANGUAGES, "de", dataclasses.replace(LANGUAGES["de"], voice=None))
    (root / "user_de.txt").write_text("die X Y\ntür Z\n")
    made = run(context(root, user_lexicon=str(root / "user_{lang}.txt")))
    assert read_table(root / "train" / "phones")["de-1"] == "<unk> X Y Z"
    assert (made.where / "unknown_de.txt").read_text().split() == ["kisten", "türen", "zwei", "öffne"]


def test_faults_of_the_user_lexicon_are_named(root: Path) -> None:
    user = root / "user.txt"
    with pytest.raises(DataError, match=r"user\.txt: the user lexicon is missing"):
        run(context(root, user_lexicon=str(user)))
    user.write_text("die d iː\ntür\n")
    with pytest.raises(DataError, match=r"user\.txt:2: 'tür' has no phones"):
        run(context(root, user_lexicon=str(user)))
    user.write_bytes(b"die d\n\xff x\n")
    with pytest.raises(DataError, match=r"user\.txt:2: is not UTF-8"):
        run(context(root, user_lexicon=str(user)))


def edited(root: Path, old: str, new: str) -> Path:
    path = root / "lang" / "lexicon_de.txt"
    path.write_text(path.read_text().replace(old, new))
    return path


def test_an_earlier_lexicon_is_used_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(context(root))
    before = contents(root)

    def refuse(job: object) -> None:
        raise AssertionError(f"pronounced again: {job}")

    (root / "lang" / "unknown_en.txt").write_text("")
    monkeypatch.setattr("jointst.text.pronounce._pronounce", lambda job: [()] if job[2] == ["привет"] else refuse(job))
    run(context(root))
    assert contents(root) == before


@pytest.mark.parametrize("damage", ["settings", "content", "made"])
def test_a_lexicon_that_cannot_be_trusted_is_made_again(root: Path, damage: str) -> None:
    run(context(root))
    before = contents(root)
    if damage == "settings":
        run(context(root, keep_length=False))
        assert read_table(root / "dev" / "phones")["de-2"] == "d i t y ɾ"
    elif damage == "content":
        edited(root, "die d iː", "die X")
    else:
        (root / "lang" / "made.json").write_text("{")
        edited(root, "die d iː", "die X")
    run(context(root))
    assert contents(root) == before


def test_processes_change_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(context(root))
    before = contents(root)
    (root / "lang" / "made.json").unlink()
    monkeypatch.setattr("jointst.text.pronounce._WORTH_PROCESSES", 0)
    run(context(root, nj=2))
    assert contents(root) == before


@pytest.mark.parametrize("lang", ["xx", None])
def test_an_utterance_without_a_known_language_is_named(root: Path, lang: str | None) -> None:
    lines = [line for line in (root / "dev" / "utt2lang").read_text().splitlines() if not line.startswith("de-2")]
    (root / "dev" / "utt2lang").write_text("\n".join([*([f"de-2 {lang}"] if lang else []), *lines]) + "\n")
    with pytest.raises(DataError, match=r"dev/utt2lang utterance de-2: (has no|is in the unknown) language"):
        run(context(root))


def test_the_stage_runs_again_when_the_user_lexicon_changes(root: Path) -> None:
    stage = next(stage for stage in STAGES if stage.name == "lexicon")
    user = root / "user_de.txt"
    user.write_text("die X\n")
    settings = context(root, user_lexicon=str(root / "user_{lang}.txt"))
    made: Made = stage.run(settings)
    assert made.where == root / "lang"
    assert stage.reason_to_run(settings) == ""
    later = stage.stamp(settings).stat().st_mtime_ns + 10**9
    import os

    os.utime(user, ns=(later, later))
    assert "user_de.txt is newer" in stage.reason_to_run(settings)


def test_phone_table_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "phones.txt"
    with pytest.raises(DataError, match="no phone table"):
        PhoneTable.read(path)
    table = PhoneTable.of(["b", "a", "<unk>", "|"], word_boundary=True)
    assert table.symbols == ("<pad>", "<unk>", "<mask>", "a", "b", "|")
    path.write_text(table.to_text())
    assert PhoneTable.read(path) == table
    assert (table.size, table.encode("b a x |"), table.encode("")) == (6, [4, 3, 1, 5], [])
    path.write_text("<pad> 0\n<unk> 2\n")
    with pytest.raises(DataError, match=r"phones\.txt:2"):
        PhoneTable.read(path)
    path.write_text("a 0\nb 1\nc 2\n")
    with pytest.raises(DataError, match="does not start"):
        PhoneTable.read(path)

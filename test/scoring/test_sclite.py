"""NIST sclite counts the same errors as we do."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from jointst.common.errors import EnvironmentFault
from jointst.scoring.counts import Counts, Scored, score_utterances
from jointst.scoring.sclite import escape, executable, parse_counts, run_sclite, write_trn
from jointst.scoring.summary import summarise

needs_sclite = pytest.mark.skipif(executable() is None, reason="sclite is not installed (Debian package sctk)")

VOCABULARY = {
    "en": ["one", "two", "three", "it's", "(four)", "{five/six}", "@", "%seven", ";;", "8*"],
    "ru": ["один", "два", "три", "ёж", "дом", "красный"],
    "ar": ["واحد", "اثنان", "ثلاثة", "أحمر"],
    "hi": ["एक", "दो", "तीन", "लाल", "हिंदी"],
    "zh": list("今天好红色一二三"),
}


def corrupted(generator: random.Random, words: list[str], vocabulary: list[str]) -> list[str]:
    result: list[str] = []
    for word in words:
        draw = generator.random()
        result += [] if draw < 0.1 else [generator.choice(vocabulary)] if draw < 0.3 else [word]
        result += [generator.choice(vocabulary)] if draw > 0.9 else []
    return result


def make(count: int) -> list[Scored]:
    generator = random.Random(3)
    references, hypotheses, languages = {}, {}, {}
    for i in range(count):
        for lang, vocabulary in VOCABULARY.items():
            utterance = f"{lang}_voice+f{i % 3}-{i:03d}"
            words = generator.choices(vocabulary, k=generator.randint(1, 9))
            glue = "" if lang == "zh" else " "
            references[utterance] = glue.join(words)
            hypotheses[utterance] = glue.join(corrupted(generator, words, vocabulary))
            languages[utterance] = lang
    del hypotheses["en_voice+f0-000"]
    references["ru_voice+f1-001"] = ""
    return score_utterances(
        references,
        hypotheses,
        languages,
        path=Path("hyp.text"),
        normalise=lambda text, _: text,
        segment=lambda _, text: list(text),
    )


@needs_sclite
def test_sclite_agrees_in_every_count_of_every_language(tmp_path: Path) -> None:
    scored = make(60)
    theirs = run_sclite(scored, tmp_path)
    ours = summarise(scored).main
    assert theirs == ours
    assert all(counts.substitutions and counts.deletions and counts.insertions for counts in ours.values())
    summary = (tmp_path / "summary.txt").read_text()
    assert all(f"| {lang} " in summary for lang in VOCABULARY)
    assert "один" in (tmp_path / "alignments.txt").read_text().lower()


@needs_sclite
def test_case_differs_for_sclite_too(tmp_path: Path) -> None:
    scored = score_utterances(
        {"u": "Été"}, {"u": "été"}, {"u": "fr"}, path=Path(), normalise=lambda t, _: t, segment=lambda _, t: [t]
    )
    assert run_sclite(scored, tmp_path)["fr"] == Counts(substitutions=1)


def test_without_sclite_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="apt-get install sctk"):
        run_sclite(make(2), tmp_path)


def test_transcripts_hold_no_mark_that_sclite_reads(tmp_path: Path) -> None:
    write_trn(tmp_path / "ref.trn", [("en", "a(1)", ["(four)", "{a/b}", "it's"])])
    line = (tmp_path / "ref.trn").read_text()
    assert line == "（four） ｛a／b｝ it's (en-a（1）)\n"
    assert escape("plain") == "plain"


def test_counts_are_read_from_the_raw_summary() -> None:
    report = """
        | SPKR | # Snt # Wrd | Corr    Sub    Del    Ins    Err  S.Err |
        |------+-------------+-----------------------------------------|
        | en   |    3      7 |    4      1      2      1      4      2 |
        |==============================================================|
        | Sum  |    5     10 |    6      2      2      2      6      4 |
        | Mean |  2.5    5.0 |  3.0    1.0    1.0    1.0    3.0    2.0 |
    """
    assert parse_counts(report) == {"en": Counts(hits=4, substitutions=1, deletions=2, insertions=1)}

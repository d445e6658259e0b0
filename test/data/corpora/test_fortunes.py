"""Sayings as text: paragraphs, sources, signs of terminals, and topics that are not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from jointst.config import CorpusConfig
from jointst.data.corpora import fortunes
from jointst.kaldi.directory import DataDirectory


def test_sayings() -> None:
    content = """A first line that goes
on here. And a second sentence.
\t\t-- Somebody, "A book."
%
(1) Listed.
(2) _\x08Under_\x08lined.

A paragraph. No end
%
"""
    assert fortunes.read_sayings(content) == [
        "A first line that goes on here.",
        "And a second sentence.",
        "(1) Listed.",
        "(2) Underlined.",
        "A paragraph.",
    ]


def test_chinese_lines_are_joined_without_a_space() -> None:
    assert fortunes.read_sayings("\x1b[32m《题》\x1b[m\n难以合作\n的人。请接受。\n") == [
        "《题》难以合作的人。",
        "请接受。",
    ]


def test_italian_accents_typed_as_apostrophes() -> None:
    written = "Perche' non c'e' piu' un po' di citta'?"
    assert fortunes.restore_accents(written) == "Perché non c'è più un po' di città?"
    assert fortunes.restore_accents("E' l'ora dell' addio, e 'quello' va'.") == "È l'ora dell' addio, e 'quello' va'."


def test_prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    games = Path("downloads/debian/fortunes-de/usr/share/games/fortunes/de")
    games.mkdir(parents=True)
    (games / "weise").write_text("Ein kurzer Satz.\n%\nNoch ein Satz hier.\n")
    (games / "weise.dat").write_text("Nicht zu lesen hier.\n")
    (games / "sex").write_text("Das hier bleibt draußen.\n")
    (games / "off").mkdir()
    (games / "off" / "mehr.fortunes").write_text("Auch das bleibt draußen.\n")
    for package in ("fortunes", "fortunes-min"):
        other = Path("downloads/debian", package, "usr/share/games/fortunes")
        other.mkdir(parents=True)
        (other / "art").write_text("An English sentence here.\n")
    (made,) = fortunes.prepare(CorpusConfig(languages=("de", "fr")), Path("data"), nj=1)
    assert sorted(DataDirectory.read(made).text.values()) == ["ein kurzer satz", "noch ein satz hier"]

"""Written sentences and how a native reader says them: a line in sentences/<lang>.tsv for each.

To say how something should be read, add a line: its kind, the sentence, the reading; characters that nobody sees are
written as ``\\u202f`` or ``\\U000e0100``.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from jointst.common.languages import LANGUAGES
from jointst.text.normalise import normalise

FOLDER = Path(__file__).parent / "sentences"


def rows(lang: str) -> list[dict[str, str]]:
    with open(FOLDER / f"{lang}.tsv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def unescape(written: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})", lambda match: chr(int(match[1] or match[2], 16)), written)


@pytest.mark.parametrize(
    ("lang", "written", "reading"),
    [
        pytest.param(lang, row["written"], row["reading"], id=f"{lang}-{row['kind']}-{row['written']}")
        for lang in sorted(LANGUAGES)
        for row in rows(lang)
    ],
)
def test_reading(lang: str, written: str, reading: str) -> None:
    assert normalise(unescape(written), lang) == reading
    assert normalise(reading, lang) == reading


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_every_language_has_enough_sentences(lang: str) -> None:
    assert len(rows(lang)) >= 40

"""Bytes that are no UTF-8 are named with their likely encoding; UTF-8 that was read as something else is noticed."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from jointst.common.encodings import how_to_convert, likely_encoding, read_wrongly

RU = "Привет, как дела? Сегодня хорошая погода.\nОн сказал, что придёт завтра.\n"
ZH = "今天天气很好，我们去公园散步。\n他说明天再来。\n"
ZH_TW = "今天天氣很好，我們去公園散步。\n他說明天再來。\n"
JA = "今日はとても天気がいいです。\n明日また来ると言いました。\n"
DE = "Die Straße ist schön und groß.\nWir gehen über die Brücke.\n"
AR = "مرحبا كيف حالك اليوم\nسوف نذهب إلى السوق غدا\n"


@pytest.mark.parametrize(
    ("lang", "text", "encoding", "name"),
    [
        ("ru", RU, "cp1251", "CP1251"),
        ("ru", RU, "koi8_r", "KOI8-R"),
        ("ru", RU, "cp866", "CP866"),
        ("ru", RU, "utf_16", "UTF-16"),
        ("ru", RU, "utf_16_le", "UTF-16LE"),
        ("zh", ZH, "gb18030", "GB18030"),
        ("zh", ZH_TW, "big5", "BIG5"),
        ("ja", JA, "cp932", "CP932"),
        ("ja", JA, "euc_jp", "EUC-JP"),
        ("de", DE, "cp1252", "CP1252"),
        ("de", DE, "utf_16_be", "UTF-16BE"),
        ("ar", AR, "cp1256", "CP1256"),
    ],
)
def test_likely_encodings_and_their_command(lang: str, text: str, encoding: str, name: str, tmp_path: Path) -> None:
    raw = ("plain words\n" * 30000 if "16" not in encoding else "").encode() + text.encode(encoding)
    assert likely_encoding(raw, lang) == name
    path = tmp_path / "a b.txt"
    path.write_bytes(raw)
    command = how_to_convert(path, lang).partition(": ")[2].partition(", then")[0]
    subprocess.run(command, shell=True, check=True)
    assert (tmp_path / "a b.txt.utf8").read_text(encoding="utf-8").removeprefix("\ufeff").endswith(text)


def test_a_gzip_file_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(RU.encode("cp1251")))
    command = how_to_convert(path, "ru").partition(": ")[2].partition(", then")[0]
    subprocess.run(command, shell=True, check=True)
    assert gzip.decompress((tmp_path / "a.txt.utf8.gz").read_bytes()).decode() == RU


@pytest.mark.parametrize("raw", [b"abc\0\0\0def", b"", bytes(range(256)) * 3])
def test_what_is_no_text_has_no_encoding(raw: bytes, tmp_path: Path) -> None:
    assert likely_encoding(raw, "de") == ""
    (tmp_path / "a").write_bytes(raw)
    assert "no encoding is likely" in how_to_convert(tmp_path / "a", "de")


def as_read(text: str, encoding: str) -> str:
    """Its UTF-8 as ``encoding``; what the encoding has no character for as a control character, as browsers do."""
    found = ""
    for byte in text.encode():
        try:
            found += bytes([byte]).decode(encoding)
        except UnicodeDecodeError:
            found += chr(byte)
    return found


@pytest.mark.parametrize("encoding", ["cp1252", "latin_1"])
@pytest.mark.parametrize(
    "text",
    [
        "Straße schön",
        "Привет, как дела?",
        "été déjà",
        "niño ¿qué?",
        "今天天气",
        "今日はいい",
        "مرحبا",
        "नमस्ते",
        "don’t “so”",
        "São",
    ],
)
def test_text_read_wrongly_is_put_right(text: str, encoding: str) -> None:
    assert read_wrongly(as_read(text, encoding)) == text


def test_text_read_as_cyrillic_is_put_right() -> None:
    assert read_wrongly(as_read("Привет, Straße", "cp1251")) == "Привет, Straße"


@pytest.mark.parametrize(
    "text",
    [
        "«CAFÉ»",
        "CAFÉ»",
        "„Ü“",
        "IRMÃ…",
        "À…",
        "ÉÀ Öä",
        "É… à côté»",
        "ДА»",
        "È» così",
        "Über… ß“",
        "Россия",
        "Ñandú",
        "Åse",
        "–über",
        "Сёла — Рёв и Ёж",
        "",
    ],
)
def test_right_text_is_left(text: str) -> None:
    assert read_wrongly(text) == ""

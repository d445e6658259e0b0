"""Text that is not what it seems: bytes that are no UTF-8, and UTF-8 that somebody read as something else."""

from __future__ import annotations

import gzip
import re
import shlex
import zlib
from pathlib import Path

SAMPLE_BYTES = 1 << 16
"""So much of a file is looked at, from its first byte that is not ASCII on."""
USUAL = {
    "ar": ("cp1256", "iso8859_6"),
    "ja": ("cp932", "euc_jp", "iso2022_jp"),
    "ru": ("cp1251", "koi8_r", "cp866", "iso8859_5"),
    "zh": ("gb18030", "big5"),
}
"""Encodings that texts of a language come in, beside UTF-16; of all others :data:`WESTERN`."""
WESTERN = ("cp1252", "cp850", "mac_roman")
_MARKS = ((b"\xff\xfe\0\0", "utf_32"), (b"\0\0\xfe\xff", "utf_32"), (b"\xff\xfe", "utf_16"), (b"\xfe\xff", "utf_16"))
_ICONV = {"mac_roman": "MACINTOSH", "iso8859_5": "ISO-8859-5", "iso8859_6": "ISO-8859-6"}


def likely_encoding(raw: bytes, lang: str = "") -> str:
    """The encoding that a text is in, if it is no UTF-8, by charset-normalizer.

    Args:
        raw: the text, or its beginning.
        lang: ISO 639-1 code of its language, if it is known: it says which encodings are likely.

    Returns:
        Name for ``iconv``; empty if none is likely.
    """
    from charset_normalizer import from_bytes

    for mark, name in _MARKS:
        if raw.startswith(mark):
            return _name(name)
    if b"\0" in raw:
        return _name(_utf_16(raw))
    known = list(USUAL.get(lang, WESTERN)) if lang else None
    found = from_bytes(_part(raw), cp_isolation=known).best()
    return _name(found.encoding) if found and found.encoding not in ("ascii", "utf_8") else ""


def _part(raw: bytes) -> bytes:
    """The lines from the first one that is not ASCII on."""
    strange = re.search(rb"[\x80-\xff]", raw)
    begin = raw.rfind(b"\n", 0, strange.start()) + 1 if strange else 0
    return raw[begin : begin + SAMPLE_BYTES]


def _utf_16(raw: bytes) -> str:
    """UTF-16 without its mark: spaces and line feeds have their zero bytes all on one side."""
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    text = min(even, odd) * 20 < max(even, odd) > len(raw) / 200
    return ("utf_16_le" if odd > even else "utf_16_be") if text else ""


def _name(encoding: str) -> str:
    return _ICONV.get(encoding, encoding.upper().replace("_", "-")).replace("UTF-16-", "UTF-16")


def how_to_convert(path: Path, lang: str = "") -> str:
    """What to do about a file that is no UTF-8: the likely encoding, and the command that converts it.

    Args:
        path: the file, plain or gzip.
        lang: ISO 639-1 code of its language, if it is known.
    """
    zipped = path.suffix == ".gz"
    try:
        with gzip.open(path) if zipped else open(path, "rb") as stream:
            raw = stream.read(16 * SAMPLE_BYTES)
    except (OSError, EOFError, zlib.error):
        raw = b""
    name = likely_encoding(raw, lang)
    if not name:
        return "no encoding is likely: it is damaged, or no text; make it again from its source, as UTF-8"
    new = path.with_name(f"{path.name.removesuffix('.gz')}.utf8")
    old, made = shlex.quote(str(path)), shlex.quote(f"{new}.gz" if zipped else str(new))
    command = f"iconv -f {name} -t UTF-8"
    command = f"zcat {old} | {command} | gzip > {made}" if zipped else f"{command} {old} > {made}"
    return f"it is most likely {name}: {command}, then use the new file in its place"


_WRONG = ("cp1252", "latin_1", "cp1251", "mac_roman")
"""What UTF-8 is read as by mistake."""
_RUN = re.compile("[\x80-\U0010ffff]+")
_LEADS = re.compile(
    "[ÃÂÐÑØÙÅÄÎãäåæçèéà][\x80-\u2122]|[РСГВ][Ђ-Џђ-џҐґ‚„…†‡€‰‹‘’“”•–—™›\u00a0-\u00bf]|[√¬][\x80-\u2122]|â[€\x80]|вЂ|‚Ä"
)
"""How such text begins: the first byte of a letter, read as a letter."""
_QUOTED_CAPITAL = re.compile("[^\\W\\d_][…‘’“”»›!]+")
"""A capital letter and what may end a word in capitals: CAFÉ» is no UTF-8."""
_LETTERS = re.compile("[^\\W\\d_\u0180-\u036f\u0460-\u048f]|[\u0900-\u0963‘’“”„«»–—…¿¡ \u3001\u3002\uff0c]")


def read_wrongly(text: str) -> str:
    """What ``text`` should be, if it is UTF-8 that was read as another encoding (``straÃŸe``); otherwise empty.

    Whole runs of characters beyond ASCII must be UTF-8 in that encoding, and letters or quotes of some language.
    """
    if text.isascii() or not _LEADS.search(text):
        return ""
    for encoding in _WRONG:
        found, runs = 0, list(_RUN.finditer(text))
        mended, end = "", 0
        for run in runs:
            before = text[run.start() - 1 : run.start()]
            letters = "" if before.isupper() and _QUOTED_CAPITAL.fullmatch(run[0]) else _decoded(run[0], encoding)
            found += bool(letters)
            mended += text[end : run.start()] + (letters or run[0])
            end = run.end()
        if found and 2 * found >= len(runs):
            return mended + text[end:]
    return ""


def _decoded(run: str, encoding: str) -> str:
    """The letters that a run is in UTF-8, or an empty string."""
    if encoding == "mac_roman" and run[0] not in "√¬‚":  # –ü is a dash and a letter
        return ""
    raw = bytearray()
    for character in run:
        try:
            raw += character.encode(encoding)
        except UnicodeEncodeError:
            if encoding != "cp1252" or ord(character) > 0xFF:  # five bytes of cp1252 have no character of their own
                return ""
            raw.append(ord(character))
    try:
        letters = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return letters if all(map(_LETTERS.match, letters)) else ""

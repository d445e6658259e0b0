"""Rules about utterances, speakers and languages across the files of a set."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from jointst.common.languages import LANGUAGES
from jointst.data.rules.frame import Everything, Finding, Set, rule
from jointst.kaldi.directory import invert
from jointst.kaldi.tables import sort_keys


def _leading(item: Set) -> str:
    """The file whose keys the others must have: text, or the audio where there is no text."""
    return "text" if "text" in item.tables or "text" in item.unreadable else item.audio_file


def _files(item: Set) -> list[str]:
    """The other files of utterances."""
    audio = (item.audio_file,) if item.paired else ()
    return [file for file in ("utt2lang", "utt2spk", *audio) if file in item.tables and file != _leading(item)]


@rule("missing-key", "ERROR", mends="removes the utterance from every file")
def missing_key(everything: Everything) -> Iterator[Finding]:
    """Every utterance of text has its language, its speaker and its audio."""
    for item in everything.sets:
        leading = _leading(item)
        for file in _files(item):
            table = item.entries(file)
            for key in item.entries(leading):
                if key not in table:
                    yield item.at(leading, key, f"is not in {file}", f"add it to {file}, or remove it here")


@rule("extra-key", "ERROR", mends="removes the line")
def extra_key(everything: Everything) -> Iterator[Finding]:
    """No utterance has a language, speaker or audio, and no transcript."""
    for item in everything.sets:
        leading = _leading(item)
        known = item.entries(leading)
        for file in _files(item) if leading in item.tables else ():
            for key in item.entries(file):
                if key not in known:
                    yield item.at(file, key, f"is not in {leading}", f"add it to {leading}, or remove it here")


@rule("id-characters", "ERROR")
def id_characters(everything: Everything) -> Iterator[Finding]:
    """Ids hold no control characters and no spaces of other alphabets: tables would fall apart at them."""
    for item, file, key in _ids(everything):
        if breaks(key):
            yield item.at(file, key, f"the id {ascii(key)} holds an invisible character", "rename it")


@rule("id-invisible", "WARNING")
def id_invisible(everything: Everything) -> Iterator[Finding]:
    """Ids hold no characters that nobody sees, as joiners and marks of direction: they are hard to look for."""
    for item, file, key in _ids(everything):
        if not key.isprintable() and not breaks(key):
            message = f"the id {ascii(key)} holds a character that may not be seen"
            yield item.at(file, key, message, "it may stay, if it is the same in every file")


def _ids(everything: Everything) -> Iterator[tuple[Set, str, str]]:
    for item in everything.sets:
        for file in ("text", "wav.scp"):
            for key in item.entries(file):
                yield item, file, key


def breaks(name: str) -> bool:
    """Whether a name is no single word to every reader of tables: it holds a space or control character."""
    return any(character.isspace() or unicodedata.category(character) == "Cc" for character in name)


@rule("speaker-prefix", "WARNING")
def speaker_prefix(everything: Everything) -> Iterator[Finding]:
    """Utterances sort as their speakers do, which Kaldi's tools want; ids that begin with the speaker's see to it."""
    for item in everything.sets:
        utt2spk = item.entries("utt2spk")
        keys = sort_keys(utt2spk)
        speakers = [utt2spk[key].encode() for key in keys]
        later = next((key for key, (a, b) in zip(keys[1:], itertools.pairwise(speakers)) if a > b), None)
        if later is not None:
            key = next((key for key in keys if not key.startswith(utt2spk[key])), later)
            message = f"does not begin with its speaker {utt2spk[key]}, and utterances sort otherwise than speakers"
            yield item.at("utt2spk", key, message, f"nothing here minds; for Kaldi call it {utt2spk[key]}-{key}")


@rule("speaker-name", "ERROR", mends="writes _ for spaces")
def speaker_name(everything: Everything) -> Iterator[Finding]:
    """A speaker is one word."""
    for item in everything.sets:
        for key, speaker in item.entries("utt2spk").items():
            if breaks(speaker):
                yield item.at("utt2spk", key, f"the speaker {ascii(speaker)} is not one word", "write _ for spaces")


@rule("missing-spk2utt", "WARNING", mends="makes it from utt2spk")
def missing_spk2utt(everything: Everything) -> Iterator[Finding]:
    """Where there is utt2spk, there is spk2utt, for tools that want it."""
    for item in everything.sets:
        if "utt2spk" in item.tables and "spk2utt" not in item.tables and "spk2utt" not in item.unreadable:
            yield Finding(path=item.path / "spk2utt", message="is missing", fix="make it from utt2spk")


@rule("spk2utt", "ERROR", mends="makes it from utt2spk")
def spk2utt(everything: Everything) -> Iterator[Finding]:
    """spk2utt says the same as utt2spk."""
    for item in everything.sets:
        if "spk2utt" not in item.tables or "utt2spk" not in item.tables:
            continue
        wanted, found = invert(item.entries("utt2spk")), item.entries("spk2utt")
        for speaker, utterances in found.items():
            if wanted.get(speaker) != utterances:
                yield item.at("spk2utt", speaker, "disagrees with utt2spk", "make it from utt2spk")
        for speaker in wanted.keys() - found.keys():
            message = f"lacks the speaker {speaker}"
            yield Finding(path=item.path / "spk2utt", utterance=speaker, message=message, fix="make it from utt2spk")


@rule("language-code", "ERROR", mends="writes the code")
def language_code(everything: Everything) -> Iterator[Finding]:
    """Languages are written as their codes: en, not EN or en-US."""
    for item in everything.sets:
        for key, lang in item.entries("utt2lang").items():
            if lang not in LANGUAGES and plain_code(lang):
                yield item.at("utt2lang", key, f"{lang!r} is not a code", f"write {plain_code(lang)}")


def plain_code(lang: str) -> str:
    """The code of a language that is written with capitals or its region; empty where that is none that is known."""
    code = re.split("[-_]", lang.strip().lower())[0]
    return code if code in LANGUAGES else ""


@rule("unknown-language", "ERROR")
def unknown_language(everything: Everything) -> Iterator[Finding]:
    """Every language is one that the toolkit knows."""
    known = " ".join(sorted(LANGUAGES))
    for item in everything.sets:
        for key, lang in item.entries("utt2lang").items():
            if lang not in LANGUAGES and not plain_code(lang):
                fix = f"one of: {known}; or add it to languages.py"
                yield item.at("utt2lang", key, f"unknown language {lang!r}", fix)

"""Rules about utterances, speakers and languages across the files of a set."""

from __future__ import annotations

from collections.abc import Iterator

from jointst.data.directory import invert
from jointst.data.rules.frame import Everything, Finding, Set, rule
from jointst.languages import LANGUAGES


def _files(item: Set) -> list[str]:
    """The files that must have the same keys as text."""
    audio = (item.audio_file,) if item.paired else ()
    return [file for file in ("utt2lang", "utt2spk", *audio) if file in item.tables]


@rule("missing-key", "ERROR", mends="removes the utterance from every file")
def missing_key(everything: Everything) -> Iterator[Finding]:
    """Every utterance of text has its language, its speaker and its audio."""
    for item in everything.sets:
        for file in _files(item):
            table = item.entries(file)
            for key in item.entries("text"):
                if key not in table:
                    yield item.at("text", key, f"is not in {file}", f"add it to {file}, or remove it here")


@rule("extra-key", "ERROR", mends="removes the line")
def extra_key(everything: Everything) -> Iterator[Finding]:
    """No utterance has a language, speaker or audio, and no transcript."""
    for item in everything.sets:
        text = item.entries("text")
        for file in _files(item) if "text" in item.tables else ():
            for key in item.entries(file):
                if key not in text:
                    yield item.at(file, key, "is not in text", "add it to text, or remove it here")


@rule("id-characters", "ERROR")
def id_characters(everything: Everything) -> Iterator[Finding]:
    """Ids are of visible characters: no control or format characters, no spaces of other alphabets."""
    for item in everything.sets:
        for file in ("text", "wav.scp"):
            for key in item.entries(file):
                if not key.isprintable():
                    yield item.at(file, key, f"the id {ascii(key)} holds an invisible character", "rename it")


@rule("speaker-prefix", "ERROR")
def speaker_prefix(everything: Everything) -> Iterator[Finding]:
    """A speaker's id is the beginning of its utterances' ids, so that both sort alike."""
    for item in everything.sets:
        for key, speaker in item.entries("utt2spk").items():
            if not key.startswith(speaker):
                yield item.at("utt2spk", key, f"does not begin with its speaker {speaker}", f"call it {speaker}-{key}")


@rule("speaker-name", "ERROR")
def speaker_name(everything: Everything) -> Iterator[Finding]:
    """A speaker is one word."""
    for item in everything.sets:
        for key, speaker in item.entries("utt2spk").items():
            if len(speaker.split()) != 1 or not speaker.isprintable():
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


@rule("unknown-language", "ERROR")
def unknown_language(everything: Everything) -> Iterator[Finding]:
    """Every language is one that the toolkit knows."""
    known = " ".join(sorted(LANGUAGES))
    for item in everything.sets:
        for key, lang in item.entries("utt2lang").items():
            if lang not in LANGUAGES:
                fix = f"one of: {known}; or add it to languages.py"
                yield item.at("utt2lang", key, f"unknown language {lang!r}", fix)

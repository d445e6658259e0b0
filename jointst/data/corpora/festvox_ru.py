"""festvox-ru: 620 sentences of literary Russian (1.7 h), read by one man; real speech at 16 kHz, BSD-like licence.

``data/festvox_ru_{train,dev,test}`` from Debian's package ``festvox-ru``::

    usr/share/festival/voices/russian/msu_ru_nsh_clunits/
        etc/txt.done.data    ( ru_0001 "text, with + before stressed vowels" )
        wav/ru_0001.wav      16 kHz
        lab/ru_0001.lab      after a line "#", lines "end 125 phone": where each phone ends, in seconds

Sentences of ten seconds are cut where he pauses, into phrases of two seconds or more; a phrase ``nsh-ru_0001-000-306``
is named by its recording and its hundredths of a second. The labels become ``phone_times``, the truth that alignments
are measured against.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from jointst.common.errors import ConfigError, DataError
from jointst.common.units import Seconds
from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.corpora.debian import fetch
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.phrases import Phrase, Sounds, cut_at_pauses
from jointst.data.corpora.usable import keep_usable
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.phone_times import SILENCE, PhoneTime, cut, write_phone_times

VERSION = 3
PARTS = ("train", "dev", "test")
PACKAGE = "festvox-ru"
VOICE = Path("usr/share/festival/voices/russian/msu_ru_nsh_clunits")
SPEAKER = "nsh"
PAUSE = "pau"
"""The label of silence."""
SHORTEST: Seconds = 2.0
"""Of a phrase."""
_VOWELS = {
    "а": "a aa ae ay",
    "е": "e ee i ae ay y yy",
    "ё": "o oo",
    "и": "i ii y yy",
    "о": "o oo a aa ay",
    "у": "u uu ur",
    "ы": "y yy",
    "э": "e ee y ae ay",
    "ю": "u uu ur",
    "я": "a aa ae ay i",
}
_CONSONANTS = {
    "б": "b bb p pp",
    "в": "v vv f ff",
    "г": "g gg k kk h hh v",
    "д": "d dd t tt",
    "ж": "zh sh",
    "з": "z zz s ss",
    "й": "j",
    "к": "k kk g gg h",
    "л": "l ll",
    "м": "m mm",
    "н": "n nn",
    "п": "p pp b bb",
    "р": "r rr",
    "с": "s ss z zz sh",
    "т": "t tt d dd c",
    "ф": "f ff v vv",
    "х": "h hh",
    "ц": "c",
    "ч": "ch sh",
    "ш": "sh zh",
    "щ": "sch",
    "ъ": "",
    "ь": "",
}
SOUNDS = Sounds(
    of={letter: frozenset(phones.split()) for letter, phones in (_VOWELS | _CONSONANTS).items()},
    vowels=frozenset(_VOWELS),
)
"""Russian letters in the phones of these labels, voiced and devoiced, stressed and reduced."""
_LINE = re.compile(r'\( *(?P<name>\w+) +"(?P<text>.*)" *\)\s*')


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets; equal sentences are in one set, by a hash of the sentence, and no two share a phrase.

    Raises:
        ConfigError: Russian is not among the languages.
        DataError: the package is not as expected.
        EnvironmentFault: the package cannot be had.
    """
    if "ru" not in config.languages:
        raise ConfigError("corpus.sources", "festvox_ru is Russian only", "add ru to corpus.languages")
    voice = fetch([PACKAGE], Path(config.downloads))[PACKAGE] / VOICE
    sets = {part: DataDirectory(data / f"festvox_ru_{part}", {}) for part in PARTS}
    times: dict[str, list[PhoneTime]] = {}
    losses = Losses("festvox_ru", voice)
    for name, sentence in read_prompts(voice / "etc" / "txt.done.data").items():
        audio = voice / "wav" / f"{name}.wav"
        labels = voice / "lab" / f"{name}.lab"
        try:
            spoken = read_labels(labels)
        except DataError as fault:
            losses.add("fields", fault)
            continue
        try:
            phrases = cut_at_pauses(sentence, spoken, SOUNDS, shortest=SHORTEST)
        except ValueError as error:
            losses.add("times", DataError(f"does not fit {sentence!r}: {error}", path=labels))
            continue
        chosen, recording = sets[split_of("ru", sentence)], f"{SPEAKER}-{name}"
        chosen.wav_scp[recording] = str(audio)
        times |= {
            _add(chosen, recording, phrase): cut(spoken, phrase.start, phrase.end - phrase.start) for phrase in phrases
        }
    keep_usable("festvox_ru", sets.values(), config, data, nj, losses)
    _drop_shared(sets)
    for chosen in sets.values():
        chosen.path.mkdir(parents=True, exist_ok=True)
        write_phone_times(chosen.path, {utterance: times[utterance] for utterance in chosen.text})
    return [chosen.write(chosen.path).path for chosen in sets.values()]


def _add(chosen: DataDirectory, recording: str, phrase: Phrase) -> str:
    """The name of an utterance, which is then in the set."""
    utterance = f"{recording}-{round(100 * phrase.start):04d}-{round(100 * phrase.end):04d}"
    chosen.text[utterance] = phrase.words
    chosen.utt2spk[utterance] = SPEAKER
    chosen.utt2lang[utterance] = "ru"
    chosen.segments[utterance] = Segment(recording, phrase.start, phrase.end)
    return utterance


def _drop_shared(sets: Mapping[str, DataDirectory]) -> None:
    """Leave phrases out of training that are said in a development or test sentence too, and out of development those
    of the test."""
    later: set[str] = set()
    for part in reversed(PARTS):
        own = sets[part]
        for utterance in [name for name, words in own.text.items() if words in later]:
            for table in (own.text, own.utt2spk, own.utt2lang, own.segments):
                del table[utterance]
        used = {segment.recording for segment in own.segments.values()}
        for recording in [name for name in own.wav_scp if name not in used]:
            del own.wav_scp[recording]
        later |= set(own.text.values())


def read_prompts(path: Path) -> dict[str, str]:
    """Normalised sentence of each recording; stress marks are dropped.

    Raises:
        DataError: the file cannot be read, or holds a line that is not ``( name "text" )``.
    """
    from jointst.text.normalise import normalise

    sentences = {}
    for number, line in enumerate(_read(path).splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if not found:
            raise DataError(f"{line[:60]!r} is not a prompt", path=path, line=number, fix='( name "text" )')
        sentences[found["name"]] = normalise(found["text"].replace("+", ""), "ru")
    return sentences


def read_labels(path: Path) -> list[PhoneTime]:
    """The phones of a label file, pauses as ``sil``; a phone begins where the one before it ends.

    Raises:
        DataError: the file cannot be read, or a line is not ``end number phone``.
    """
    times: list[PhoneTime] = []
    header, _, content = _read(path).partition("#\n")
    for number, line in enumerate(content.splitlines(), start=header.count("\n") + 2):
        try:
            end, _, phone = line.split()
            start = times[-1].end if times else 0.0
            times.append(PhoneTime(SILENCE if phone == PAUSE else phone, start, max(start, float(end))))
        except ValueError:
            raise DataError(f"{line!r} is not a label", path=path, line=number, fix="end 125 phone") from None
    return times


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = "remove downloads/debian/festvox-ru, run this again"
        raise DataError(f"cannot be read: {error}", path=path, fix=fix) from None

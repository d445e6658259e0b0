"""festvox-ru: 620 sentences of literary Russian (1.7 h), read by one man; real speech at 16 kHz, BSD-like licence.

``data/festvox_ru_{train,dev,test}`` from Debian's package ``festvox-ru``::

    usr/share/festival/voices/russian/msu_ru_nsh_clunits/
        etc/txt.done.data    ( ru_0001 "text, with + before stressed vowels" )
        wav/ru_0001.wav      16 kHz
        lab/ru_0001.lab      after a line "#", lines "end 125 phone": where each phone ends, in seconds

The labels become ``phone_times``, the truth that alignments are measured against.
"""

from __future__ import annotations

import re
from pathlib import Path

from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.corpora.debian import fetch
from jointst.data.directory import DataDirectory
from jointst.data.phone_times import SILENCE, PhoneTime, write_phone_times
from jointst.errors import ConfigError, DataError

VERSION = 2
PACKAGE = "festvox-ru"
VOICE = Path("usr/share/festival/voices/russian/msu_ru_nsh_clunits")
SPEAKER = "nsh"
PAUSE = "pau"
"""The label of silence."""
_LINE = re.compile(r'\( *(?P<name>\w+) +"(?P<text>.*)" *\)\s*')


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets; equal sentences are in one set, by a hash of the sentence.

    Raises:
        ConfigError: Russian is not among the languages.
        DataError: the package is not as expected.
        EnvironmentFault: the package cannot be had.
    """
    if "ru" not in config.languages:
        raise ConfigError("corpus.sources", "festvox_ru is Russian only", "add ru to corpus.languages")
    voice = fetch([PACKAGE], Path(config.downloads))[PACKAGE] / VOICE
    sets: dict[str, DataDirectory] = {}
    times: dict[str, list[PhoneTime]] = {}
    for name, sentence in read_prompts(voice / "etc" / "txt.done.data").items():
        audio = voice / "wav" / f"{name}.wav"
        if not audio.is_file():
            raise DataError("the recording is missing", path=audio, fix=f"remove {voice.parents[5]}, run this again")
        part = split_of("ru", sentence)
        chosen = sets.setdefault(part, DataDirectory(data / f"festvox_ru_{part}", {}))
        utterance = f"{SPEAKER}-{name}"
        chosen.text[utterance] = sentence
        chosen.utt2spk[utterance] = SPEAKER
        chosen.utt2lang[utterance] = "ru"
        chosen.wav_scp[utterance] = str(audio)
        times[utterance] = read_labels(voice / "lab" / f"{name}.lab")
    for chosen in sets.values():
        chosen.path.mkdir(parents=True, exist_ok=True)
        write_phone_times(chosen.path, {utterance: times[utterance] for utterance in chosen.text})
    return [sets[part].write(sets[part].path).path for part in ("train", "dev", "test")]


def read_prompts(path: Path) -> dict[str, str]:
    """Normalised sentence of each recording; stress marks are dropped.

    Raises:
        DataError: a line that is not ``( name "text" )``.
    """
    from jointst.text.normalise import normalise

    sentences = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if not found:
            raise DataError(f"{line[:60]!r} is not a prompt", path=path, line=number, fix='( name "text" )')
        sentences[found["name"]] = normalise(found["text"].replace("+", ""), "ru")
    return sentences


def read_labels(path: Path) -> list[PhoneTime]:
    """The phones of a label file, pauses as ``sil``; a phone begins where the one before it ends.

    Raises:
        DataError: the file is missing, or a line is not ``end number phone``.
    """
    if not path.is_file():
        raise DataError("the labels are missing", path=path, fix="remove downloads/debian/festvox-ru, run this again")
    times: list[PhoneTime] = []
    header, _, content = path.read_text(encoding="utf-8").partition("#\n")
    for number, line in enumerate(content.splitlines(), start=header.count("\n") + 2):
        try:
            end, _, phone = line.split()
            start = times[-1].end if times else 0.0
            times.append(PhoneTime(SILENCE if phone == PAUSE else phone, start, max(start, float(end))))
        except ValueError:
            raise DataError(f"{line!r} is not a label", path=path, line=number, fix="end 125 phone") from None
    return times

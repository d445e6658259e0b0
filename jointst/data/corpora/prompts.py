"""prompts: the announcements of the Asterisk telephone exchange, real human speech in en, es, fr, it and ru.

``data/prompts_{train,dev,test}`` from Debian's packages ``asterisk-core-sounds-XX`` (transcripts) and
``asterisk-core-sounds-XX-g722`` (16 kHz audio, CC-BY-SA-3.0 and CC-BY-3.0)::

    usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz     name: text
    usr/share/asterisk/sounds/en_US_f_Allison/name.g722

One voice reads each language, the same woman both English and Spanish, so every set has the same speakers: this
corpus measures new sentences, not new voices. To hold her out, leave out en and es together.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.parallel import run_jobs
from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.corpora.debian import fetch
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.prompts_repairs import repair_marks, repair_words
from jointst.data.corpora.rows import read_bytes
from jointst.data.corpora.usable import drop, keep_usable
from jointst.kaldi.directory import DataDirectory

VERSION = 1
SAMPLING_RATE = 16000
"""Hertz, of the recordings and of the FLAC files made here."""
MAX_SECONDS = 25.0
"""Longer announcements (whole menus) are left out."""
VOICES = {
    "en": ("en_US_f_Allison", "allison"),
    "es": ("es_MX_f_Allison", "allison"),
    "fr": ("fr_CA_f_June", "june"),
    "it": ("it_IT_m_Carlo", "carlo"),
    "ru": ("ru_RU_f_IvrvoiceRU", "ivrvoice"),
}
"""Folder and speaker of each language."""

_LEFT_OUT = re.compile(r"(letters|phonetic|silence)/|spy-|beep|\w+-2tone|confbridge-(join|leave)$|tt-monkeys$")
"""Names of clips that spell something out or hold tones and noises."""
_WRONG = {("fr", "digits/h-80"), ("it", "confbridge-begin-leader_PRESIDENTE")}
"""Transcripts that are of another clip."""
# Digits, symbols and stage directions; dots inside words (addresses); names of clips (two entries run together);
# capitals inside words; a question mark inside a sentence, which was an accented letter.
_UNCLEAN = re.compile(r"[a-z]+(-[a-z]+)+: |[0-9*#@<>\[\](){}/_\\]|\w\.\w|[a-zа-яё][A-ZА-ЯЁ]|\?\s*[^\W\dA-ZА-ЯЁÀ-Ý_]")
_WORD = re.compile(r"[^\W\d_]+")


class Prompt(NamedTuple):
    """One usable recording: its name in the package, and its normalised transcript."""

    name: str
    sentence: str


class _Decoding(NamedTuple):
    source: Path
    target: Path
    name: str


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets for those of the five languages that the configuration names.

    Equal sentences of a language are in one set, by a hash of the sentence. Audio is decoded once, to FLAC files
    under ``data/audio/prompts``.

    Raises:
        ConfigError: none of the five is among the languages.
        DataError: a package is not as expected.
        EnvironmentFault: a package cannot be had.
    """
    languages = [lang for lang in VOICES if lang in config.languages]
    if not languages:
        raise ConfigError("corpus.languages", f"prompts has none of them, only {' '.join(VOICES)}")
    names = {lang: f"asterisk-core-sounds-{lang}" for lang in languages}
    wanted = [f"{name}{suffix}" for name in names.values() for suffix in ("", "-g722")]
    packages = fetch(wanted, Path(config.downloads))
    sets = {part: DataDirectory(data / f"prompts_{part}", {}) for part in ("train", "dev", "test")}
    work: list[_Decoding] = []
    for lang, package in names.items():
        folder, speaker = VOICES[lang]
        transcripts = packages[package] / "usr/share/doc" / package / f"core-sounds-{lang}.txt.gz"
        audio = packages[f"{package}-g722"] / "usr/share/asterisk/sounds" / folder
        if not audio.is_dir():
            raise DataError("the recordings are missing", path=audio, fix="remove the package's folder, run this again")
        for prompt in read_prompts(transcripts, lang):
            name = prompt.name.replace("/", "-")
            target = data / "audio" / "prompts" / lang / f"{name}.flac"
            source = audio / f"{prompt.name}.g722"
            # Eight thousand bytes are a second; a few transcripts have no recording in this voice.
            if not source.is_file() or not 0 < source.stat().st_size <= 8000 * MAX_SECONDS:
                continue
            work.append(_Decoding(source, target, f"{speaker}-{lang}-{name}"))
            chosen = sets[split_of(lang, prompt.sentence)]
            _add(chosen, work[-1].name, prompt.sentence, speaker, lang, target)
    missing = [item for item in work if not item.target.is_file()]
    batches = [missing[start : start + 50] for start in range(0, len(missing), 50)]
    losses = Losses("prompts", Path(config.downloads))
    for faults in run_jobs(_decode, batches, nj, desc="decode", unit="prompt", sizes=[len(batch) for batch in batches]):
        for utterance, fault in faults:
            losses.add("audio-unreadable", fault)
            for item in sets.values():
                drop(item, utterance)
    keep_usable("prompts", sets.values(), config, data, nj, losses)
    return [directory.write(directory.path).path for directory in sets.values()]


def _add(directory: DataDirectory, utterance: str, sentence: str, speaker: str, lang: str, audio: Path) -> None:
    directory.text[utterance] = sentence
    directory.utt2spk[utterance] = speaker
    directory.utt2lang[utterance] = lang
    directory.wav_scp[utterance] = str(audio)


def read_prompts(path: Path, lang: str) -> list[Prompt]:
    """The clean subset of a language: two words or more, all of them written as they are spoken.

    Args:
        path: ``core-sounds-XX.txt.gz``.
        lang: its language; lost accents are put back, lines where that is not certain are left out.

    Raises:
        DataError: the file is missing, or is not UTF-8 text in gzip.
    """
    from jointst.text.normalise import normalise

    fix = "remove the package's folder, run this again"
    try:
        lines = read_bytes(path, fix).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"the transcripts cannot be read: {error}", path=path, fix=fix) from None
    prompts: dict[str, Prompt] = {}
    for line in lines:
        name, colon, text = line.partition(":")
        if not colon or line.startswith(";") or name in prompts:
            continue
        text = repair_marks(text.strip(), lang)
        if _LEFT_OUT.match(name) or (lang, name) in _WRONG or not is_clean(text, lang):
            continue
        sentence = repair_words(normalise(text, lang), lang)
        if len(sentence.split()) >= 2:
            prompts[name] = Prompt(name, sentence)
    return list(prompts.values())


def is_clean(text: str, lang: str) -> bool:
    """Whether the text can be trusted to be spoken as it is written: no digits, no acronyms, nothing spelled out."""
    if _UNCLEAN.search(text) or (lang == "ru" and re.search("[A-Za-z]", text)):
        return False
    for found in _WORD.finditer(text):
        word, before = found.group(), text[: found.start()].rstrip(' "“«')
        begins = not before or before[-1] in ".!?…:"
        if word.isupper() and (len(word) > 1 or not (begins or (lang, word) == ("en", "I"))):
            return False
    return bool(text)


def _decode(batch: list[_Decoding]) -> list[tuple[str, DataError]]:
    """Decode G.722 to FLAC, each file whole or not at all; utterances that cannot be decoded."""
    faults = []
    for item in batch:
        try:
            _decode_one(item)
        except DataError as fault:
            faults.append((item.name, fault))
    return faults


def _decode_one(item: _Decoding) -> None:
    import av
    import numpy as np
    import soundfile

    try:
        with av.open(str(item.source), format="g722") as container:
            blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    except av.error.FFmpegError as error:
        raise DataError(f"cannot be decoded: {error}", path=item.source, utterance=item.name) from None
    if not blocks:
        raise DataError("holds no samples", path=item.source, utterance=item.name)
    samples = np.concatenate(blocks, axis=1)[0]  # (1, T) -> (T,), int16
    flac = io.BytesIO()
    soundfile.write(flac, samples, SAMPLING_RATE, format="FLAC")
    write_atomically(item.target, flac.getvalue())

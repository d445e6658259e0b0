"""gcin_voice: single Mandarin syllables read by two Taiwanese voices (14 minutes; GPL-3 or LGPL-3, and CC-BY-3.0).

``data/gcin_voice_{train,dev,test}`` from Debian's package ``gcin-voice``, a folder for each syllable in bopomofo, its
tone as a digit (none for the first, 1 for the neutral one)::

    usr/share/gcin-voice/ogg/ㄊㄢ3/3.ogg     44.1 kHz, one voice
    usr/share/gcin-voice/ogg/ㄊㄢ3/5.ogg     the other

Nobody writes syllables, so the transcript is the first character of GB 2312 that is read so: right in its phones,
one of several in its spelling. Both voices are in every set. Measure phones with it, not characters.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.corpora.debian import fetch
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.usable import keep_usable
from jointst.kaldi.directory import DataDirectory

VERSION = 1
PACKAGE = "gcin-voice"
FOLDER = Path("usr/share/gcin-voice/ogg")
SPEAKERS = {"3": "liu", "5": "luo"}
"""Speaker of each file in a syllable's folder."""
_TONES = {"˙": "1", "ˊ": "2", "ˇ": "3", "ˋ": "4"}


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets; a syllable is in one set.

    Raises:
        ConfigError: Chinese is not among the languages.
        DataError: the package is not as expected.
        EnvironmentFault: the package cannot be had.
    """
    if "zh" not in config.languages:
        raise ConfigError("corpus.sources", "gcin_voice is Chinese only", "add zh to corpus.languages")
    folder = fetch([PACKAGE], Path(config.downloads))[PACKAGE] / FOLDER
    sets = {part: DataDirectory(data / f"gcin_voice_{part}", {}) for part in ("train", "dev", "test")}
    recordings = sorted(folder.glob("*/*.ogg"))
    if not recordings:
        raise DataError("the recordings are missing", path=folder, fix="remove the package's folder, run this again")
    for path in recordings:
        syllable, speaker = path.parent.name, SPEAKERS.get(path.stem)
        character = characters().get(syllable)
        if speaker is None or character is None:  # no character is read so, such as the bare consonants
            continue
        chosen = sets[split_of("zh", character)]
        utterance = f"{speaker}-gcin-{syllable}"
        chosen.text[utterance] = character
        chosen.utt2spk[utterance] = speaker
        chosen.utt2lang[utterance] = "zh"
        chosen.wav_scp[utterance] = str(path)
    keep_usable("gcin_voice", sets.values(), config, data, nj, Losses("gcin_voice", folder))
    return [directory.write(directory.path).path for directory in sets.values()]


@cache
def characters() -> dict[str, str]:
    """The first character of GB 2312 for each syllable in the package's spelling; frequent characters come first."""
    from pypinyin import Style, pinyin

    found: dict[str, str] = {}
    for row in range(0xB0, 0xF8):
        for column in range(0xA1, 0xFF):
            character = bytes([row, column]).decode("gb2312", errors="ignore")
            if character:
                reading = pinyin(character, style=Style.BOPOMOFO)[0][0]
                tone = next((digit for mark, digit in _TONES.items() if mark in reading), "")
                found.setdefault(reading.strip("".join(_TONES)) + tone, character)
    return found

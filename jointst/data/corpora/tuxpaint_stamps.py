"""tuxpaint_stamps: what the stamps of a paint program for children show, read in fr, ru and es (GPL-2).

``data/tuxpaint_stamps_{train,dev,test}`` from Debian's package ``tuxpaint-stamps-default``, mostly one voice a language
and a word or two a clip, 20 minutes each::

    usr/share/tuxpaint/stamps/animals/birds/owl.txt             the English text, then fr.utf8=Un hibou. and so on
    usr/share/tuxpaint/stamps/animals/birds/owl_desc_fr.ogg     44.1 kHz

The package does not name the speakers: each language counts as one, in every set.
"""

from __future__ import annotations

import re
from pathlib import Path

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.corpora.debian import fetch
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.usable import keep_usable
from jointst.kaldi.directory import DataDirectory

VERSION = 1
PACKAGE = "tuxpaint-stamps-default"
FOLDER = Path("usr/share/tuxpaint/stamps")
LANGUAGES = ("es", "fr", "ru")
"""Languages in which nearly all stamps are read; others have a handful."""
_UNCERTAIN = re.compile(r"[\d()\[\]{}@#$%&*/_<>]")
"""What may be read in several ways, or not at all."""


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets for those of the three languages that the configuration names.

    Equal texts of a language are in one set, by a hash.

    Raises:
        ConfigError: none of the three is among the languages.
        DataError: the package is not as expected.
        EnvironmentFault: the package cannot be had.
    """
    from jointst.text.normalise import normalise

    languages = [lang for lang in LANGUAGES if lang in config.languages]
    if not languages:
        raise ConfigError("corpus.languages", f"tuxpaint_stamps has none of them, only {' '.join(LANGUAGES)}")
    folder = fetch([PACKAGE], Path(config.downloads))[PACKAGE] / FOLDER
    sets = {part: DataDirectory(data / f"tuxpaint_stamps_{part}", {}) for part in ("train", "dev", "test")}
    for lang in languages:
        clips = sorted(folder.rglob(f"*_desc_{lang}.ogg"))
        if not clips:
            raise DataError(f"no clips in {lang}", path=folder, fix="remove the package's folder, run this again")
        for clip in clips:
            stamp = clip.name.removesuffix(f"_desc_{lang}.ogg")
            written = clip.with_name(f"{stamp}.txt")
            text = read_texts(written).get(lang, "") if written.is_file() else ""
            sentence = "" if _UNCERTAIN.search(text) else normalise(text, lang)
            if not sentence:  # not written down in this language, or not certain
                continue
            name = str(clip.relative_to(folder).with_name(stamp)).replace("/", "-").replace(" ", "_")
            speaker = f"tuxpaint_{lang}"
            chosen = sets[split_of(lang, sentence)]
            utterance = f"{speaker}-{name}"
            chosen.text[utterance] = sentence
            chosen.utt2spk[utterance] = speaker
            chosen.utt2lang[utterance] = lang
            chosen.wav_scp[utterance] = str(clip)
    keep_usable("tuxpaint_stamps", sets.values(), config, data, nj, Losses("tuxpaint_stamps", folder))
    return [directory.write(directory.path).path for directory in sets.values()]


def read_texts(path: Path) -> dict[str, str]:
    """The text of a stamp in each language, by the language's code; English first in the file, without one.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fix = "remove the package's folder, run this again"
        raise DataError(f"the text of a stamp cannot be read: {error}", path=path, fix=fix) from None
    texts = {"en": lines[0].strip()} if lines else {}
    for line in lines[1:]:
        code, equals, text = line.partition(".utf8=")
        if equals and text.strip():
            texts[code.strip()] = text.strip()
    return texts

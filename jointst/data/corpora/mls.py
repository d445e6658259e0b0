"""mls: Multilingual LibriSpeech, audiobooks in de, en, es, fr, it and pt (openslr.org/94, CC-BY-4.0).

``data/mls_{train,dev,test}`` from the folder ``corpus.mls.root`` or ``<downloads>/mls``; with ``corpus.mls.opus`` the
smaller release, whose folders end in ``_opus``::

    mls_german/train/transcripts.txt                     10148_10119_000000 <tab> text
    mls_german/train/audio/10148/10119/10148_10119_000000.flac      or .opus
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.manifests import (
    UNPACK,
    Listed,
    Part,
    download,
    fetch_archive,
    find_root,
    make_sets,
    missing_part,
)
from jointst.data.corpora.rows import read_bytes, split_lines

VERSION = 3
URL = "https://dl.fbaipublicfiles.com/mls"
NAMES = {"de": "german", "en": "english", "es": "spanish", "fr": "french", "it": "italian", "pt": "portuguese"}
"""What the corpus calls each language."""
TREE = "  mls_german/{train,dev,test}/transcripts.txt\n  mls_german/train/audio/..."
SPLITS = ("train", "dev", "test")


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets for those of its languages that the configuration names.

    Raises:
        ConfigError: the corpus has none of the languages.
        DataError: the corpus is not as expected.
        EnvironmentFault: lhotse is missing, or the download fails.
    """
    languages = [lang for lang in NAMES if lang in config.languages]
    if not languages:
        raise ConfigError("corpus.languages", f"mls has none of them, only {' '.join(NAMES)}")
    root, may_download = find_root("mls", config.mls.root, config, TREE)
    parts = []
    for lang in languages:
        name = f"mls_{NAMES[lang]}" + ("_opus" if config.mls.opus else "")
        unfinished = (root / f"{name}.tar.gz").is_file()
        if may_download and (unfinished or not (root / name).is_dir()):
            url = f"{URL}/{name}.tar.gz"
            download(name, root, partial(fetch_archive, url, root), TREE)
        parts += _parts(root / name, lang, config.mls.opus)
    return make_sets("mls", parts, config, data, nj)


def _parts(folder: Path, lang: str, opus: bool) -> list[Part]:
    for split in SPLITS:
        if not (folder / split / "transcripts.txt").is_file():
            raise missing_part(folder / split / "transcripts.txt", TREE)
    return [
        Part(
            name=f"{lang}/{split}",
            set=split,
            lang=lang,
            source=folder / split,
            tables=[folder / split / "transcripts.txt"],
            read=lambda losses, split=split: _read(folder / split, opus, losses),  # type: ignore[misc]
        )
        for split in SPLITS
    ]


def _read(folder: Path, opus: bool, losses: Losses) -> Iterator[Listed]:
    """What is listed; the parts of an id, speaker, book and number, are its place."""
    table = folder / "transcripts.txt"
    for number, line in split_lines(read_bytes(table, UNPACK), table, losses):
        name, tab, text = line.partition("\t")
        parts = name.split("_")
        if not tab or len(parts) != 3 or not all(parts) or "/" in name:
            losses.add(
                "fields", DataError(f"{line[:60]!r} is not: speaker_book_number, tab, text", path=table, line=number)
            )
            continue
        audio = folder / "audio" / parts[0] / parts[1] / f"{name}{'.opus' if opus else '.flac'}"
        yield Listed(table, number, name, parts[0], text, audio)

"""fleurs: about 10 h of read sentences in each language (arXiv 2205.12446, CC-BY-4.0).

``data/fleurs_{train,dev,test}`` from the folder ``corpus.fleurs.root`` or ``<downloads>/fleurs``, in the official
layout::

    de_de/train.tsv               id <tab> file <tab> raw text <tab> text <tab> characters <tab> samples <tab> gender
    de_de/audio/train/*.wav       16 kHz; the archive audio/train.tar.gz, unpacked

lhotse downloads it by way of another library, in a layout of its own: the download here is of the official files. The
corpus does not name speakers, so each recording counts as a speaker of its own; those of train are not in dev and test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

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
URL = "https://huggingface.co/datasets/google/fleurs/resolve/main/data"
NAMES = {
    "ar": "ar_eg", "de": "de_de", "en": "en_us", "es": "es_419", "fr": "fr_fr", "hi": "hi_in",
    "it": "it_it", "ja": "ja_jp", "pt": "pt_br", "ru": "ru_ru", "sw": "sw_ke",
    "zh": "cmn_hans_cn",
}  # fmt: skip
"""What the corpus calls each language."""
SPLITS = ("train", "dev", "test")
FIELDS = 7
TREE = "  de_de/train.tsv, de_de/dev.tsv, de_de/test.tsv\n  de_de/audio/{train,dev,test}/*.wav"


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets.

    Raises:
        ConfigError: a language whose folder is not known.
        DataError: the corpus is not as expected.
        EnvironmentFault: lhotse is missing, or the download fails.
    """
    unknown = [lang for lang in config.languages if lang not in NAMES]
    if unknown:
        fix = "name its folder in NAMES of jointst/data/corpora/fleurs.py, or leave it out"
        raise ConfigError("corpus.languages", f"fleurs: no folder is known of {' '.join(unknown)}", fix)
    root, may_download = find_root("fleurs", config.fleurs.root, config, TREE)
    parts: list[Part] = []
    for lang in config.languages:
        folder = root / NAMES[lang]
        for split in SPLITS:
            unfinished = (folder / "audio" / f"{split}.tar.gz").is_file()
            if may_download and (unfinished or not (folder / "audio" / split).is_dir()):
                what = f"FLEURS {folder.name} {split}"
                download(what, folder / "audio", partial(_download, folder, split), TREE)
        parts += _parts(folder, lang)
    return make_sets("fleurs", parts, config, data, nj)


def _download(folder: Path, split: str) -> None:
    from lhotse.utils import resumable_download

    resumable_download(f"{URL}/{folder.name}/{split}.tsv", folder / f"{split}.tsv")
    fetch_archive(f"{URL}/{folder.name}/audio/{split}.tar.gz", folder / "audio")


def _parts(folder: Path, lang: str) -> list[Part]:
    for split in SPLITS:
        for path in (folder / f"{split}.tsv", folder / "audio" / split):
            if not path.exists():
                raise missing_part(path, TREE)
    return [
        Part(
            name=f"{lang}/{split}",
            set=split,
            lang=lang,
            source=folder / f"{split}.tsv",
            tables=[folder / f"{split}.tsv"],
            read=lambda losses, split=split: _read(folder, split, losses),  # type: ignore[misc]
            prefix=f"{lang}_{split}_",
        )
        for split in SPLITS
    ]


def _read(folder: Path, split: str, losses: Losses) -> Iterator[Listed]:
    """What a table lists; a sentence is read by several people, who are numbered in its order."""
    table = folder / f"{split}.tsv"
    readers: Counter[str] = Counter()
    for number, line in split_lines(read_bytes(table, UNPACK), table, losses):
        row = line.split("\t")
        if len(row) != FIELDS or not row[1]:
            problem = f"{len(row)} fields, not {FIELDS}" if len(row) != FIELDS else "no file is named"
            losses.add("fields", DataError(problem, path=table, line=number))
            continue
        readers[row[0]] += 1
        speaker = f"{row[0]}_{readers[row[0]]}"
        name = f"{speaker}_{PurePosixPath(row[1]).stem}"
        yield Listed(table, number, name, speaker, row[3], folder / "audio" / split / row[1])

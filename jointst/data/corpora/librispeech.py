"""librispeech: English audiobooks, 960 h, and Mini LibriSpeech (openslr.org/12 and /31, CC-BY-4.0).

``data/librispeech_{train,dev,test,test_other}`` from the folder ``corpus.librispeech.root`` or
``<downloads>/librispeech/LibriSpeech``::

    train-clean-100/103/1240/103-1240.trans.txt     103-1240-0000 CHAPTER ONE MISSUS RACHEL LYNDE IS SURPRISED
    train-clean-100/103/1240/103-1240-0000.flac     16 kHz

The first test part makes ``librispeech_test``; each other one is a set of its own, named after the part.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.manifests import UNPACK, Listed, Part, download, find_root, make_sets, missing_part
from jointst.data.corpora.rows import read_bytes, split_lines

VERSION = 3
TREE = "  LibriSpeech/train-clean-100/103/1240/103-1240.trans.txt\n  LibriSpeech/train-clean-100/103/1240/*.flac"


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the sets; parts that are not on disk are downloaded, unless the settings say where the corpus is.

    Raises:
        ConfigError: English is not among the languages.
        DataError: the corpus is not as expected.
        EnvironmentFault: lhotse is missing, or the download fails.
    """
    if "en" not in config.languages:
        raise ConfigError("corpus.sources", "librispeech is English only", "add en to corpus.languages")
    settings = config.librispeech
    root, may_download = find_root("librispeech", settings.root, config, TREE)
    folder = root / "LibriSpeech" if may_download else root
    sets = {**dict.fromkeys(settings.train, "train"), **dict.fromkeys(settings.dev, "dev")}
    for number, name in enumerate(settings.test):
        sets[name] = "test" if number == 0 else f"test_{name.removeprefix('test-').replace('-', '_')}"
    for name in sets:
        unfinished = (root / f"{name}.tar.gz").is_file() and not (folder / name / ".completed").is_file()
        if may_download and (unfinished or not (folder / name).is_dir()):
            download(f"LibriSpeech {name}", root, partial(_download, root, name), TREE)
    parts = [_part(folder, name, chosen) for name, chosen in sets.items()]
    return make_sets("librispeech", parts, config, data, nj)


def _download(root: Path, name: str) -> None:
    from lhotse.recipes.librispeech import LIBRISPEECH, MINI_LIBRISPEECH, download_librispeech

    known = (*LIBRISPEECH, *MINI_LIBRISPEECH)
    if name not in known:
        raise ConfigError("corpus.librispeech", f"there is no part {name!r}", f"known: {' '.join(known)}")
    download_librispeech(root, dataset_parts=[name])


def _part(folder: Path, name: str, chosen: str) -> Part:
    tables = sorted((folder / name).rglob("*.trans.txt"))
    if not tables:
        raise missing_part(folder / name, TREE)
    return Part(
        name=name,
        set=chosen,
        lang="en",
        source=folder / name,
        tables=tables,
        read=lambda losses: (item for table in tables for item in _read(table, losses)),
    )


def _read(table: Path, losses: Losses) -> Iterator[Listed]:
    """What a chapter lists; its sound files stand beside it."""
    for number, line in split_lines(read_bytes(table, UNPACK), table, losses):
        name, _, text = line.strip().partition(" ")
        if name.count("-") != 2 or "/" in name:
            losses.add(
                "fields", DataError(f"{line[:60]!r} is not: speaker-chapter-number TEXT", path=table, line=number)
            )
            continue
        yield Listed(table, number, name, name.partition("-")[0], text, table.with_name(f"{name}.flac"))

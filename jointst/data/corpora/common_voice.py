"""common_voice: Mozilla Common Voice, sentences read by volunteers, in all languages here (CC0).

``data/common_voice_{train,dev,test}`` from the folder ``corpus.common_voice.root`` or
``<downloads>/common_voice/<release>``; the clips are the official splits, without shared speakers::

    de/train.tsv          client_id <tab> path <tab> sentence <tab> and more, by release
    de/dev.tsv            the same
    de/test.tsv           the same
    de/clips/*.mp3        48 kHz or 32 kHz

Most releases can only be had from Mozilla's own site, after a login: unpack them by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from jointst.common.errors import DataError
from jointst.config import CorpusConfig
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.manifests import UNPACK, Listed, Part, download, find_root, make_sets, missing_part
from jointst.data.corpora.rows import read_bytes, split_lines

VERSION = 3
NAMES = {"zh": "zh-CN"}
"""What the corpus calls a language, where that is not its ISO 639-1 code."""
SPLITS = ("train", "dev", "test")
COLUMNS = ("client_id", "path", "sentence")
"""Columns that every release has; others are not needed."""
TREE = "  de/train.tsv, de/dev.tsv, de/test.tsv\n  de/clips/common_voice_de_17298952.mp3"


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets.

    Raises:
        DataError: the corpus is not as expected.
        EnvironmentFault: lhotse is missing, or the download fails.
    """
    release = config.common_voice.release
    root, may_download = find_root("common_voice", config.common_voice.root, config, TREE)
    folder = root / release if may_download else root
    parts = []
    for lang in config.languages:
        name = NAMES.get(lang, lang)
        unfinished = (root / f"{name}.tar.gz").is_file() and not (folder / name / ".completed").is_file()
        if may_download and (unfinished or not (folder / name).is_dir()):
            what = f"Common Voice {name} of {release}"
            hint = f"  {release}/{name} from https://commonvoice.mozilla.org, with\n{TREE}"
            download(what, root, partial(_download, root, name, release), hint)
        parts += [_part(folder, name, lang, split) for split in SPLITS]
    return make_sets("common_voice", parts, config, data, nj)


def _download(root: Path, name: str, release: str) -> None:
    from lhotse.recipes.commonvoice import download_commonvoice

    download_commonvoice(root, languages=[name], release=release)


def _part(folder: Path, name: str, lang: str, split: str) -> Part:
    table = folder / name / f"{split}.tsv"
    if not table.is_file():
        raise missing_part(table, TREE)
    clips = folder / name / "clips"
    return Part(
        name=f"{lang}/{split}",
        set=split,
        lang=lang,
        source=table,
        tables=[table],
        read=lambda losses: read_rows(table, clips, losses),
    )


def read_rows(table: Path, clips: Path, losses: Losses) -> Iterator[Listed]:
    """The clips that a table lists; quotes are part of the text.

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """
    lines = split_lines(read_bytes(table, UNPACK), table, losses)
    heading = next(lines, (1, ""))[1].split("\t")
    missing = [column for column in COLUMNS if column not in heading]
    if missing:
        raise DataError(f"no column {' '.join(missing)}", path=table, line=1, fix=UNPACK)
    speaker, clip, sentence = (heading.index(column) for column in COLUMNS)
    for number, line in lines:
        row = line.split("\t")
        # What stands behind the last column that is needed may be missing; a tab too many shifts everything.
        if not max(speaker, clip, sentence) < len(row) <= len(heading) or not row[clip]:
            problem = f"{len(row)} fields, the heading has {len(heading)}"
            problem = "no clip is named" if len(row) == len(heading) else problem
            losses.add("fields", DataError(problem, path=table, line=number))
            continue
        name = PurePosixPath(row[clip]).stem
        yield Listed(table, number, name, row[speaker], row[sentence], clips / row[clip])

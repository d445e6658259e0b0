"""common_voice: Mozilla Common Voice, sentences read by volunteers, in all eleven languages (CC0).

``data/common_voice_{train,dev,test}`` from the folder ``corpus.common_voice.root`` or
``<downloads>/common_voice/<release>``; the clips are the official splits, without shared speakers::

    de/train.tsv          client_id <tab> path <tab> sentence <tab> and more, by release
    de/dev.tsv            the same
    de/test.tsv           the same
    de/clips/*.mp3        48 kHz or 32 kHz

Most releases can only be had from Mozilla's own site, after a login: unpack them by hand.
"""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from jointst.config import CorpusConfig
from jointst.data.corpora.manifests import Part, download, find_root, make_sets, missing_part
from jointst.errors import DataError

VERSION = 1
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
        parts += [_part(folder, name, lang, split, nj) for split in SPLITS]
    return make_sets("common_voice", parts, data)


def _download(root: Path, name: str, release: str) -> None:
    from lhotse.recipes.commonvoice import download_commonvoice

    download_commonvoice(root, languages=[name], release=release)


def _part(folder: Path, name: str, lang: str, split: str, nj: int) -> Part:
    table = folder / name / f"{split}.tsv"
    if not table.is_file():
        raise missing_part(table, TREE)
    rows = read_rows(table)
    return Part(
        name=f"{lang}/{split}",
        set=split,
        lang=lang,
        source=table,
        expected=len(rows),
        read=lambda output: _read(folder / name / "clips", rows, nj),
    )


def read_rows(table: Path) -> list[dict[str, str]]:
    """The fields of each clip; quotes are part of the text.

    Raises:
        DataError: the file is not UTF-8, or lacks a column.
    """
    try:
        with open(table, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"no column {' '.join(missing)}", path=table, line=1, fix="unpack the corpus again")
            return [{column: row[column] or "" for column in COLUMNS} for row in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8: {error.reason}", path=table, fix="unpack the corpus again") from None


def _read(clips: Path, rows: list[dict[str, str]], nj: int) -> tuple[Any, Any]:
    """lhotse's recordings; its own reading of the tables knows the columns of some releases only."""
    from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet

    there = [row for row in rows if (clips / row["path"]).is_file()]
    with ThreadPoolExecutor(nj) as pool:
        recordings = list(pool.map(Recording.from_file, [clips / row["path"] for row in there]))
    supervisions = [
        SupervisionSegment(
            id=recording.id,
            recording_id=recording.id,
            start=0.0,
            duration=recording.duration,
            text=row["sentence"],
            speaker=row["client_id"],
        )
        for row, recording in zip(there, recordings, strict=True)
    ]
    return RecordingSet.from_recordings(recordings), SupervisionSet.from_segments(supervisions)

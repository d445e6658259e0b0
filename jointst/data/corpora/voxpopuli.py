"""voxpopuli: speeches in the European Parliament, transcribed in de, en, es, fr and it (arXiv 2101.00390, CC0).

``data/voxpopuli_{train,dev,test}`` from the folder ``corpus.voxpopuli.root`` or ``<downloads>/voxpopuli``::

    raw_audios/original/2019/20190115-0900-PLENARY_original.ogg     whole sessions, 16 kHz
    annotations/asr_de.tsv.gz                                       fields by |: session_id, split, normed_text,
                                                                    speaker_id, start_time, end_time and so on

or, as other tools lay it out, ``raw_audios/de/2019/20190115-0900-PLENARY_de.ogg``. Utterances are segments of sessions;
those of sessions that are not on disk are left out, so that a few years are enough to begin with.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.manifests import Listed, Part, download, fetch_archive, find_root, make_sets, missing_part
from jointst.data.corpora.rows import quoted_rows, read_bytes

VERSION = 3
URL = "https://dl.fbaipublicfiles.com/voxpopuli"
LANGUAGES = ("de", "en", "es", "fr", "it")
SPLITS = ("train", "dev", "test")
COLUMNS = ("session_id", "split", "normed_text", "speaker_id", "start_time", "end_time")
"""Columns that are needed."""
TREE = "  raw_audios/original/2019/20190115-0900-PLENARY_original.ogg\n  annotations/asr_de.tsv.gz"


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets for those of its languages that the configuration names.

    Raises:
        ConfigError: the corpus has none of the languages.
        DataError: the corpus is not as expected.
        EnvironmentFault: lhotse is missing, or the download fails.
    """
    languages = [lang for lang in LANGUAGES if lang in config.languages]
    if not languages:
        raise ConfigError("corpus.languages", f"voxpopuli has none of them, only {' '.join(LANGUAGES)}")
    root, may_download = find_root("voxpopuli", config.voxpopuli.root, config, TREE)
    if may_download:
        for year in config.voxpopuli.years:
            _fetch_year(root, year)
        for lang in languages:
            _fetch_annotations(root, lang)
    parts = []
    for lang in languages:
        parts += _parts(root, lang)
    if not parts:
        raise DataError("no annotated session is on disk", path=root, fix=f"expected:\n{TREE}")
    return make_sets("voxpopuli", parts, config, data, nj)


def _fetch_year(root: Path, year: int) -> None:
    into, name = root / "raw_audios", f"original_{year}.tar"
    if (into / name).is_file() or not any((root / "raw_audios").glob(f"*/{year}")):
        download(f"VoxPopuli {year}", into, lambda: fetch_archive(f"{URL}/audios/{name}", into), TREE)


def _fetch_annotations(root: Path, lang: str) -> None:
    from lhotse.utils import resumable_download

    path = root / "annotations" / f"asr_{lang}.tsv.gz"
    if not path.is_file():
        coming = path.with_name(f"{path.name}.part")
        url = f"{URL}/annotations/asr/{path.name}"
        download(f"VoxPopuli {path.name}", path.parent, lambda: resumable_download(url, coming), TREE)
        coming.rename(path)


def _parts(root: Path, lang: str) -> list[Part]:
    """The splits of a language of which a session is on disk."""
    annotations = root / "annotations" / f"asr_{lang}.tsv.gz"
    audio = root / "raw_audios" / (lang if (root / "raw_audios" / lang).is_dir() else "original")
    for path in (annotations, audio):
        if not path.exists():
            raise missing_part(path, TREE)
    sessions = {path.stem.rpartition("_")[0]: path for path in sorted(audio.rglob("*.ogg"))}
    rows, faults = _rows(annotations)
    rows = [row for row in rows if row.session in sessions]
    present = [split for split in SPLITS if any(row.split == split for row in rows)]

    def read(split: str, losses: Losses) -> Iterator[Listed]:
        if split == present[0]:  # nobody knows of which split they are
            for fault in faults:
                losses.add("fields", fault)
        utterances: Counter[str] = Counter()
        for row in rows:
            utterances[row.session] += row.split in SPLITS
            if row.split != split:
                continue
            name = f"{row.session}-{utterances[row.session]}"
            try:
                start, end = round(float(row.start), 8), round(float(row.end), 8)
            except ValueError:
                problem = f"{row.start!r} and {row.end!r} are not seconds"
                losses.add("times", DataError(problem, path=annotations, line=row.line, utterance=name))
                continue
            audio = sessions[row.session]
            yield Listed(annotations, row.line, name, row.speaker, row.text, audio, row.session, start, end)

    return [
        Part(
            name=f"{lang}/{split}",
            set=split,
            lang=lang,
            source=annotations,
            tables=[annotations, *sessions.values()],
            read=partial(read, split),
            prefix=f"{lang}_",
        )
        for split in present
    ]


class _Row(NamedTuple):
    """What is needed of an annotation; the fields stand in the order of :data:`COLUMNS`."""

    line: int
    session: str
    split: str
    text: str
    speaker: str
    start: str
    end: str


def _rows(annotations: Path) -> tuple[list[_Row], list[DataError]]:
    """The annotations, and what is wrong with lines that hold none.

    Raises:
        DataError: the file is damaged, or lacks a column.
    """
    fix = "remove it, so that it is downloaded again"
    content = read_bytes(annotations, fix)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 at byte {error.start}", path=annotations, fix=fix) from None
    found: list[_Row] = []
    faults: list[DataError] = []
    heading: list[str] = []
    for line, row in quoted_rows(io.StringIO(text, newline="").readlines(), "|"):
        if not heading:
            heading = row if isinstance(row, list) else []
            missing = [column for column in COLUMNS if column not in heading]
            if missing:
                raise DataError(f"no column {' '.join(missing)}", path=annotations, line=1, fix=fix)
        elif isinstance(row, list) and len(row) == len(heading):
            found.append(_Row(line, *(row[heading.index(column)] for column in COLUMNS)))
        elif row:
            problem = f"{len(row)} fields, the heading has {len(heading)}" if isinstance(row, list) else row
            faults.append(DataError(problem, path=annotations, line=line))
    return found, faults

"""voxpopuli: speeches in the European Parliament, transcribed in de, en, es, fr and it (arXiv 2101.00390, CC0).

``data/voxpopuli_{train,dev,test}`` from the folder ``corpus.voxpopuli.root`` or ``<downloads>/voxpopuli``::

    raw_audios/original/2019/20190115-0900-PLENARY_original.ogg     whole sessions, 16 kHz
    annotations/asr_de.tsv.gz                                       fields by |: session_id, split, normed_text,
                                                                    speaker_id, start_time, end_time and so on

or, as other tools lay it out, ``raw_audios/de/2019/20190115-0900-PLENARY_de.ogg``. Utterances are segments of sessions;
those of sessions that are not on disk are left out, so that a few years are enough to begin with.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

from jointst.config import CorpusConfig
from jointst.data.corpora.manifests import (
    Part,
    at_home,
    download,
    fetch_archive,
    find_root,
    make_sets,
    missing_part,
)
from jointst.errors import ConfigError, DataError

VERSION = 1
URL = "https://dl.fbaipublicfiles.com/voxpopuli"
LANGUAGES = ("de", "en", "es", "fr", "it")
SPLITS = ("train", "dev", "test")
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
        parts += [part for split in SPLITS if (part := _part(root, lang, split, nj)) is not None]
    if not parts:
        raise DataError("no annotated session is on disk", path=root, fix=f"expected:\n{TREE}")
    return make_sets("voxpopuli", parts, data)


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


def _part(root: Path, lang: str, split: str, nj: int) -> Part | None:
    """A split of a language; None where none of its sessions is on disk."""
    annotations = root / "annotations" / f"asr_{lang}.tsv.gz"
    audio = root / "raw_audios" / (lang if (root / "raw_audios" / lang).is_dir() else "original")
    for path in (annotations, audio):
        if not path.exists():
            raise missing_part(path, TREE)
    rows = _rows(annotations, {path.stem.rpartition("_")[0] for path in audio.rglob("*.ogg")})
    kept = [row for row in rows if row["split"] == split]

    def read(output: Path) -> tuple[Any, Any]:
        return _read(audio, lang, split, rows, output, nj)

    part = Part(
        name=f"{lang}/{split}",
        set=split,
        lang=lang,
        source=annotations,
        expected=len(kept),
        read=read,
        prefix=f"{lang}_",
        segmented=True,
    )
    return part if kept else None


def _rows(annotations: Path, sessions: set[str]) -> list[dict[str, str]]:
    """The annotations of some sessions.

    Raises:
        DataError: the file is damaged, or lacks a column.
    """
    columns = {"session_id", "split", "normed_text", "speaker_id", "start_time", "end_time"}
    fix = "remove it, so that it is downloaded again"
    try:
        with gzip.open(annotations, "rt", encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="|")
            missing = columns - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"no column {' '.join(sorted(missing))}", path=annotations, line=1, fix=fix)
            return [row for row in reader if row["session_id"] in sessions]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", path=annotations, fix=fix) from None


def _read(audio: Path, lang: str, split: str, rows: list[dict[str, str]], output: Path, nj: int) -> tuple[Any, Any]:
    """lhotse wants the audio in a folder of the language, and looks for the annotations where it is to write."""
    from lhotse.recipes.voxpopuli import prepare_voxpopuli

    view = output / "view"
    (view / "raw_audios").mkdir(parents=True)
    shown = view / "raw_audios" / lang
    shown.symlink_to(audio.absolute(), target_is_directory=True)
    with gzip.open(output / f"asr_{lang}.tsv.gz", "wt", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter="|")
        writer.writeheader()
        writer.writerows(rows)
    made = prepare_voxpopuli(view, output, lang=lang, num_jobs=nj)[split]
    return at_home(made["recordings"], shown, audio), made["supervisions"]

"""common_voice: Mozilla Common Voice, sentences read by volunteers, in all eleven languages (CC0).

``data/common_voice_{train,dev,test}`` from the folder ``corpus.common_voice.root`` or
``<downloads>/common_voice/<release>``; the clips are the official splits, without shared speakers::

    de/train.tsv          client_id <tab> path <tab> sentence <tab> ... gender, age, accents, variant
    de/dev.tsv            the same
    de/test.tsv           the same
    de/clips/*.mp3        48 kHz or 32 kHz

Most releases can only be had from Mozilla's own site, after a login: unpack them by hand.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from jointst.config import CorpusConfig
from jointst.data.corpora.manifests import Part, at_home, count_lines, download, find_root, make_sets, missing_part
from jointst.errors import DataError

VERSION = 1
NAMES = {"zh": "zh-CN"}
"""What the corpus calls a language, where that is not its ISO 639-1 code."""
SPLITS = ("train", "dev", "test")
COLUMNS = ("client_id", "path", "sentence", "gender", "age", "accents", "variant")
"""Columns that lhotse reads."""
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
            download(what, root, lambda name=name: _download(root, name, release), hint)
        parts += [_part(folder, name, lang, split, nj) for split in SPLITS]
    return make_sets("common_voice", parts, data)


def _download(root: Path, name: str, release: str) -> None:
    from lhotse.recipes.commonvoice import download_commonvoice

    download_commonvoice(root, languages=[name], release=release)


def _part(folder: Path, name: str, lang: str, split: str, nj: int) -> Part:
    table = folder / name / f"{split}.tsv"
    if not table.is_file():
        raise missing_part(table, TREE)
    with open(table, encoding="utf-8") as stream:
        heading = stream.readline().rstrip("\n").split("\t")
    missing = [column for column in COLUMNS if column not in heading]

    def read(output: Path) -> tuple[Any, Any]:
        from lhotse.recipes.commonvoice import prepare_commonvoice

        shown = _with_columns(folder, name, split, output / "view") if missing else folder
        made = prepare_commonvoice(shown, output, languages=[name], splits=[split], num_jobs=nj)[name][split]
        return at_home(made["recordings"], shown, folder), made["supervisions"]

    needed = [column for column in missing if column in ("client_id", "path", "sentence")]
    if needed:
        raise DataError(f"no column {' '.join(needed)}", path=table, line=1, fix=f"expected: {' '.join(COLUMNS)}")
    expected = count_lines([table], heading=1)
    return Part(name=f"{lang}/{split}", set=split, lang=lang, source=table, expected=expected, read=read)


def _with_columns(folder: Path, name: str, split: str, view: Path) -> Path:
    """The corpus as lhotse expects it: old and new releases lack columns that it reads and we do not."""
    (view / name).mkdir(parents=True)
    (view / name / "clips").symlink_to((folder / name / "clips").absolute(), target_is_directory=True)
    with (
        open(folder / name / f"{split}.tsv", encoding="utf-8", newline="") as source,
        open(view / name / f"{split}.tsv", "w", encoding="utf-8", newline="") as target,
    ):
        target.write("\t".join(COLUMNS) + "\n")
        for row in csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE):
            target.write("\t".join(row.get(column) or "" for column in COLUMNS) + "\n")
    return view

"""fleurs: about 10 h of read sentences in each of the eleven languages (arXiv 2205.12446, CC-BY-4.0).

``data/fleurs_{train,dev,test}`` from the folder ``corpus.fleurs.root`` or ``<downloads>/fleurs``, in the official
layout::

    de_de/train.tsv               id <tab> file <tab> raw text <tab> text <tab> characters <tab> samples <tab> gender
    de_de/audio/train/*.wav       16 kHz; the archive audio/train.tar.gz, unpacked

lhotse prepares it, but downloads it by way of another library, in a layout of its own: the download here is of the
official files. The corpus does not name speakers, so each recording counts as a speaker of its own; those of train
are not in dev and test.
"""

from __future__ import annotations

import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

from jointst.config import CorpusConfig
from jointst.data.corpora.manifests import (
    Part,
    at_home,
    count_lines,
    download,
    fetch_archive,
    find_root,
    make_sets,
    missing_part,
)

VERSION = 1
URL = "https://huggingface.co/datasets/google/fleurs/resolve/main/data"
NAMES = {
    "ar": "ar_eg", "de": "de_de", "en": "en_us", "es": "es_419", "fr": "fr_fr", "hi": "hi_in",
    "it": "it_it", "ja": "ja_jp", "pt": "pt_br", "ru": "ru_ru", "zh": "cmn_hans_cn",
}  # fmt: skip
"""What the corpus calls each language."""
SPLITS = ("train", "dev", "test")
FIELDS = 7
TREE = "  de_de/train.tsv, de_de/dev.tsv, de_de/test.tsv\n  de_de/audio/{train,dev,test}/*.wav"


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the three sets.

    Raises:
        DataError: the corpus is not as expected.
        EnvironmentFault: lhotse is missing, or the download fails.
    """
    root, may_download = find_root("fleurs", config.fleurs.root, config, TREE)
    parts: list[Part] = []
    for lang in config.languages:
        folder = root / NAMES[lang]
        for split in SPLITS:
            unfinished = (folder / "audio" / f"{split}.tar.gz").is_file()
            if may_download and (unfinished or not (folder / "audio" / split).is_dir()):
                what = f"FLEURS {folder.name} {split}"
                download(what, folder / "audio", partial(_download, folder, split), TREE)
        parts += _parts(folder, lang, nj)
    return make_sets("fleurs", parts, data)


def _download(folder: Path, split: str) -> None:
    from lhotse.utils import resumable_download

    resumable_download(f"{URL}/{folder.name}/{split}.tsv", folder / f"{split}.tsv")
    fetch_archive(f"{URL}/{folder.name}/audio/{split}.tar.gz", folder / "audio")


def _parts(folder: Path, lang: str, nj: int) -> list[Part]:
    for split in SPLITS:
        for path in (folder / f"{split}.tsv", folder / "audio" / split):
            if not path.exists():
                raise missing_part(path, TREE)

    @cache
    def read_all() -> dict[str, tuple[Any, Any]]:
        return _read(folder, nj)

    return [
        Part(
            name=f"{lang}/{split}",
            set=split,
            lang=lang,
            source=folder / f"{split}.tsv",
            expected=count_lines([folder / f"{split}.tsv"]),
            read=lambda output, split=split: read_all()[split],  # type: ignore[misc]
            prefix=f"{lang}_{split}_",
        )
        for split in SPLITS
    ]


def _read(folder: Path, nj: int) -> dict[str, tuple[Any, Any]]:
    """lhotse expects the layout of its own download, and every line to be whole and every file there."""
    from lhotse.recipes.fleurs import prepare_single_fleurs_language

    with tempfile.TemporaryDirectory(prefix="fleurs-") as view:
        shown, metadata = Path(view) / folder.name, Path(view) / "metadata" / folder.name
        shown.mkdir()
        metadata.mkdir(parents=True)
        for split in SPLITS:
            audio = folder / "audio" / split
            (shown / split).symlink_to(audio.absolute(), target_is_directory=True)
            lines = (folder / f"{split}.tsv").read_text(encoding="utf-8").split("\n")
            fields = [line.split("\t") for line in lines]
            whole = [row for row in fields if len(row) == FIELDS and (audio / row[1]).is_file()]
            (metadata / f"{split}.tsv").write_text("".join("\t".join(row) + "\n" for row in whole), encoding="utf-8")
        made = prepare_single_fleurs_language(shown, language=folder.name, num_jobs=nj)
        pairs = {}
        for split in SPLITS:
            recordings = at_home(made[split]["recordings"], shown / split, folder / "audio" / split)
            pairs[split] = (recordings, made[split]["supervisions"])
        return pairs

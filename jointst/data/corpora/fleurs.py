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

from functools import partial
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
    parts = []
    for lang in config.languages:
        folder = root / NAMES[lang]
        for split in SPLITS:
            unfinished = (folder / "audio" / f"{split}.tar.gz").is_file()
            if may_download and (unfinished or not (folder / "audio" / split).is_dir()):
                what = f"FLEURS {folder.name} {split}"
                download(what, folder / "audio", partial(_download, folder, split), TREE)
            parts.append(_part(folder, lang, split, nj))
    return make_sets("fleurs", parts, data)


def _download(folder: Path, split: str) -> None:
    from lhotse.utils import resumable_download

    resumable_download(f"{URL}/{folder.name}/{split}.tsv", folder / f"{split}.tsv")
    fetch_archive(f"{URL}/{folder.name}/audio/{split}.tar.gz", folder / "audio")


def _part(folder: Path, lang: str, split: str, nj: int) -> Part:
    table, audio = folder / f"{split}.tsv", folder / "audio" / split
    for path in (table, audio):
        if not path.exists():
            raise missing_part(path, TREE)

    def read(output: Path) -> tuple[Any, Any]:
        return _read(folder, split, output, nj)

    return Part(
        name=f"{lang}/{split}",
        set=split,
        lang=lang,
        source=table,
        expected=count_lines([table]),
        read=read,
        prefix=f"{lang}_{split}_",
    )


def _read(folder: Path, split: str, view: Path, nj: int) -> tuple[Any, Any]:
    """lhotse's own download puts tables elsewhere, and it reads all splits at once: it is shown one, in its layout."""
    from lhotse.recipes.fleurs import prepare_single_fleurs_language

    shown, metadata, audio = view / folder.name, view / "metadata" / folder.name, folder / "audio" / split
    shown.mkdir()
    metadata.mkdir(parents=True)
    for other in SPLITS:
        (metadata / f"{other}.tsv").touch()
    (shown / split).symlink_to(audio.absolute(), target_is_directory=True)
    lines = (folder / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
    whole = [line for line in lines if len(line.split("\t")) == FIELDS and (audio / line.split("\t")[1]).is_file()]
    (metadata / f"{split}.tsv").write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
    made = prepare_single_fleurs_language(shown, language=folder.name, num_jobs=nj)[split]
    return at_home(made["recordings"], shown / split, audio), made["supervisions"]

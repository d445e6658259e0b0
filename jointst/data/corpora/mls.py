"""mls: Multilingual LibriSpeech, audiobooks in de, en, es, fr, it and pt (openslr.org/94, CC-BY-4.0).

``data/mls_{train,dev,test}`` from the folder ``corpus.mls.root`` or ``<downloads>/mls``; with ``corpus.mls.opus`` the
smaller release, whose folders end in ``_opus``::

    mls_german/metainfo.txt                              speaker | gender | partition | minutes | book | title | chapter
    mls_german/train/transcripts.txt                     10148_10119_000000 <tab> text
    mls_german/train/audio/10148/10119/10148_10119_000000.flac      or .opus
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
from jointst.errors import ConfigError

VERSION = 1
URL = "https://dl.fbaipublicfiles.com/mls"
NAMES = {"de": "german", "en": "english", "es": "spanish", "fr": "french", "it": "italian", "pt": "portuguese"}
"""What the corpus calls each language."""
TREE = "  mls_german/metainfo.txt\n  mls_german/{train,dev,test}/transcripts.txt\n  mls_german/train/audio/..."
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
        parts += _parts(root / name, lang, config.mls.opus, nj)
    return make_sets("mls", parts, data)


def _parts(folder: Path, lang: str, opus: bool, nj: int) -> list[Part]:
    for path in (folder / "metainfo.txt", *(folder / split / "transcripts.txt" for split in SPLITS)):
        if not path.is_file():
            raise missing_part(path, TREE)

    @cache
    def read_all() -> dict[str, tuple[Any, Any]]:
        return _read(folder, NAMES[lang], opus, nj)

    return [
        Part(
            name=f"{lang}/{split}",
            set=split,
            lang=lang,
            source=folder / split,
            expected=count_lines([folder / split / "transcripts.txt"]),
            read=lambda output, split=split: read_all()[split],  # type: ignore[misc]
        )
        for split in SPLITS
    ]


def _read(folder: Path, name: str, opus: bool, nj: int) -> dict[str, tuple[Any, Any]]:
    """lhotse reads every language of a corpus, so it is shown one."""
    from lhotse.recipes.mls import prepare_mls

    with tempfile.TemporaryDirectory(prefix="mls-") as view:
        shown = Path(view) / f"mls_{name}"
        shown.mkdir()
        (shown / "metainfo.txt").symlink_to((folder / "metainfo.txt").absolute())
        for split in SPLITS:
            (shown / split).symlink_to((folder / split).absolute(), target_is_directory=True)
        made = prepare_mls(view, opus=opus, num_jobs=nj)[name]
        return {
            split: (at_home(made[split]["recordings"], shown, folder), made[split]["supervisions"]) for split in SPLITS
        }

"""The model that is adapted, and the folder that is made of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.config import Config, LossConfig
from jointst.config.load import to_yaml
from jointst.export.pack import words_file, write_weights
from jointst.kaldi.tables import sort_keys
from jointst.models.build import ENCODER, MARK, PHONES, TOKENIZER, digest_tables, read_languages
from jointst.models.packed import PARAMETERS
from jointst.text.pronounce import Lexicon, lexicon_text, parse_lexicon
from jointst.training.start_model import StartModel, read_start

REPORT = "adapted"
"""Folder in an adapted model with what was done: figures, the new words, those that were left out."""
FIGURES = "adapt.json"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained model with what stage 10 packed beside it.

    Attributes:
        start: the model, its text branch included.
        packed: the folder with its lexicons and words.
        languages: that it was trained for.
        lexicons: language to the words that it has pronunciations of.
        known: language to the words that it met in training.
    """

    start: StartModel
    packed: Path
    languages: tuple[str, ...]
    lexicons: dict[str, Lexicon]
    known: dict[str, set[str]]

    @property
    def trained_text(self) -> bool:
        """Whether its text encoder was trained; that of a model of speech alone is as it was drawn."""
        return self.start.config.loss.text > 0


def read_source(folder: Path) -> Source:
    """The model in an experiment's folder, or in a packed one.

    Raises:
        DataError: there is none, it does not fit its settings, or it has nothing that reads text.
    """
    start = read_start(folder)
    fix = "run stage 10, export, of its recipe with this version of jointst; then name the packed folder"
    if not start.has_text_branch:
        raise DataError("has no text branch, by which alone a model can be adapted", path=folder, fix=fix)
    if start.config.durations_folder is not None:
        problem = "reads text with durations of phones that were given to it, and those of new text are not known"
        raise DataError(problem, path=folder, fix="adapt a model of another model.text_encoder.upsampling")
    packed = folder if (folder / TOKENIZER.name).is_file() and (folder / "tokens.txt").is_file() else folder / "packed"
    languages = read_languages(start.config, packed)
    words = [words_file(packed, lang) for lang in languages]  # none of a language that was never trained on
    for needed in (packed / TOKENIZER.name, packed / PHONES, next(filter(Path.is_file, words), words[0])):
        if not needed.is_file():
            raise DataError("is missing", path=needed, fix=fix)
    if digest_tables(packed / TOKENIZER.name, packed / PHONES) != start.sha256["symbols"]:
        raise DataError("has other symbol tables than the model beside it", path=packed, fix=fix)
    lexicons, known = {}, {}
    for lang in languages:
        lexicon, met = _lexicon_file(packed, lang), words_file(packed, lang)
        lexicons[lang] = parse_lexicon(lexicon.read_text(encoding="utf-8")) if lexicon.is_file() else {}
        known[lang] = set(met.read_text(encoding="utf-8").split("\n")) - {""} if met.is_file() else set()
    return Source(start=start, packed=packed, languages=languages, lexicons=lexicons, known=known)


def _lexicon_file(packed: Path, lang: str) -> Path:
    return packed / "lang" / f"lexicon_{lang}.txt"


def check_out(out: Path, source: Path, *, force: bool) -> None:
    """Look at the place of the adapted model before any work is done.

    Raises:
        DataError: something is there, and is not to be replaced.
    """
    if not out.exists() and not out.is_symlink():
        return
    own, other = out.resolve(), source.resolve()
    if own == other or own in other.parents or other in own.parents:
        raise DataError("is the model's own folder", path=out, fix="name another one by --out")
    if not force:
        raise DataError("is there already", path=out, fix="name another folder by --out, or add --force to replace it")
    if not (out / REPORT / FIGURES).is_file():
        raise DataError("is no adapted model, and is not replaced", path=out, fix="name another folder by --out")


def write_adapted(
    out: Path,
    source: Source,
    state: Mapping[str, Tensor],
    *,
    lexicons: Mapping[str, Lexicon],
    words: Mapping[str, set[str]],
    report: Mapping[str, str],
    figures: Mapping[str, Any],
) -> None:
    """Write a packed folder whole or not at all; one that is there is replaced.

    Args:
        out: where to.
        source: the model it is made of.
        state: all weights, the text branch included.
        lexicons: pronunciations of words that it had none of, by language.
        words: that the text has, by language.
        report: files of the report by their names.
        figures: of the report.
    """
    writing = out.with_name(f"{out.name}.writing")
    shutil.rmtree(writing, ignore_errors=True)
    try:
        (writing / "lang").mkdir(parents=True)
        about = {name: value for name, value in source.start.about.items() if name != MARK}  # of another training
        write_weights(writing, state, about)
        write_atomically(writing / "config.yaml", to_yaml(_settings(source)))
        encoder = sorted((source.packed / ENCODER).glob("*"))  # a pretrained one, which does not change
        same = [TOKENIZER.name, "tokens.txt", "versions.json", PARAMETERS, str(PHONES)]
        for name in same + [f"{ENCODER}/{path.name}" for path in encoder]:
            write_atomically(writing / name, (source.packed / name).read_bytes())
        for lang in source.languages:
            lexicon = source.lexicons[lang] | lexicons.get(lang, {})
            write_atomically(_lexicon_file(writing, lang), lexicon_text(lexicon))
            known = sort_keys(source.known[lang] | words.get(lang, set()))
            write_atomically(words_file(writing, lang), "".join(f"{word}\n" for word in known))
        for name, content in report.items():
            write_atomically(writing / REPORT / name, content)
        text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
        write_atomically(writing / REPORT / FIGURES, text)
    except OSError:
        shutil.rmtree(writing, ignore_errors=True)  # as on a full disk, where its space is needed
        raise
    shutil.rmtree(out, ignore_errors=True)
    writing.rename(out)


def _settings(source: Source) -> Config:
    """Those of the source; they say that the text encoder is trained now."""
    config = source.start.config
    if source.trained_text:
        return config
    return dataclasses.replace(config, loss=dataclasses.replace(config.loss, text=LossConfig.text))

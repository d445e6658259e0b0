"""Text of a new domain, ready to be trained on: normalised, pronounced, spelled in the model's labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jointst.adaptation.source import Source
from jointst.common.errors import DataError
from jointst.common.languages import LANGUAGES
from jointst.common.threads import available_cpus
from jointst.config import LexiconConfig
from jointst.data.corpora.sentences import Selection
from jointst.data.corpora.text_files import sentences_of
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import sort_keys
from jointst.text.lexicon import BOUNDARY, UNKNOWN, PhoneTable
from jointst.text.pronounce import Lexicon, lexicon_text, make_lexicons, words_of
from jointst.text.tokenizer import UNKNOWN as UNKNOWN_LABEL

LONGEST = 300
"""Characters of a sentence at most, as in stage 1."""
NO_PRONUNCIATION, NO_LETTERS, NO_PHONES = "no pronunciation", "letters unknown", "phones unknown"
"""Why a word cannot be taught: no front end reads it, or the model has no label, or no phone, for a part of it."""


@dataclass(kw_only=True)
class NewText:
    """What a text holds.

    Attributes:
        sentences: usable ones by an id, with their language.
        phones: the phone string of each; none where the model reads labels.
        new: ids of the sentences with a word that the model has not met.
        words: language to all its words in usable sentences.
        new_words: language to those of them that the model has not met in training, with how often they occur.
        bad: (language, word) to why it cannot be taught; sentences with such a word are left out.
        lexicons: pronunciations of words that the model had none of.
        new_lexicons: pronunciations of the new words, whether the model had some or not.
        read: sentences that the files hold, the unusable ones too.
        said: a sentence about each file.
    """

    sentences: dict[str, tuple[str, str]] = field(default_factory=dict)
    phones: dict[str, str] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)
    words: dict[str, set[str]] = field(default_factory=dict)
    new_words: dict[str, Counter[str]] = field(default_factory=dict)
    bad: dict[tuple[str, str], str] = field(default_factory=dict)
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    new_lexicons: dict[str, Lexicon] = field(default_factory=dict)
    read: int = 0
    said: list[str] = field(default_factory=list)

    def directory(self, chosen: Collection[str]) -> DataDirectory:
        """A text-only set of some sentences."""
        return DataDirectory(
            path=Path("text"),
            text={key: self.sentences[key][0] for key in chosen},
            utt2lang={key: self.sentences[key][1] for key in chosen},
            phones={key: self.phones[key] for key in chosen if key in self.phones},
        )

    def files(self) -> dict[str, str]:
        """What is kept of it beside the model: new words with their pronunciations, and words that were left out."""
        files = {f"new_words_{lang}.txt": lexicon_text(lexicon) for lang, lexicon in self.new_lexicons.items()}
        lines = [f"{lang}\t{word}\t{self.bad[lang, word]}\n" for lang, word in sorted(self.bad)]
        return {**files, "words_left_out.tsv": "".join(["language\tword\twhy\n", *lines])}


def files_by_language(stated: Sequence[str], language: str | None, source: Source) -> dict[str, list[Path]]:
    """The files of each language; ``{lang}`` in a name stands for the code of any that there is such a file of.

    Raises:
        DataError: the language is not known to the model, or not stated, or there is no file.
    """
    known = " ".join(source.languages)
    if language is not None and language not in source.languages:
        raise DataError(f"the model knows no language {language!r}", path=source.packed, fix=f"--language: {known}")
    spread = [name for name in stated if "{lang}" in name]
    if len(spread) < len(stated) and language is None and len(source.languages) > 1:
        problem = f"the model knows {len(source.languages)} languages"
        fix = f"add --language, one of {known}, or name files with {{lang}} in their names"
        raise DataError(problem, path=source.packed, fix=fix)
    languages = source.languages if language is None else (language,)
    files: dict[str, list[Path]] = {}
    for name in stated:
        places = {lang: Path(name.replace("{lang}", lang)) for lang in languages}
        there = {lang: path for lang, path in places.items() if path.is_file()}
        if not there:
            fix = (
                f"{{lang}} is one of {' '.join(languages)}" if name in spread else "name a file of one sentence a line"
            )
            raise DataError("there is no such file of text", path=name, fix=fix)
        for lang, path in there.items():
            files.setdefault(lang, []).append(path)
    return files


def read_text(files: dict[str, list[Path]], source: Source, lexicon: str | None, scratch: Path) -> NewText:
    """Read, pronounce and spell the text.

    Args:
        files: of each language.
        source: the model.
        lexicon: the user's pronunciations, which go before all others; ``{lang}`` stands for the language.
        scratch: a folder for the lexicons of words that are new to the model.

    Raises:
        DataError: a file is not text in its language, or no sentence of it can be taught.
        EnvironmentFault: eSpeak NG is missing.
    """
    text = NewText()
    found = {lang: _sentences(paths, lang, text) for lang, paths in files.items()}
    config = source.start.config.lexicon
    words = {lang: {one: words_of(one, lang, config) for one in sentences} for lang, sentences in found.items()}
    if source.start.symbols.text_input == "phones":
        _pronounce(words, source, replace(config, user_lexicon=lexicon), scratch, text)
    for lang, sentences in words.items():
        _spell(lang, sentences, source, text)
    if len(text.sentences) < 2:
        _refuse(files, text)
    return text


def _sentences(paths: Iterable[Path], lang: str, text: NewText) -> list[str]:
    """The sentences of a language, each once."""
    found: dict[str, None] = {}
    for path in paths:
        selection = sentences_of(path, lang, LONGEST)
        text.read += selection.found
        text.said.append(f"{path}: {selection.line()}")
        if not selection.sentences:
            raise DataError(
                _nothing(selection), path=path, fix=f"write sentences in {LANGUAGES[lang].name}, one a line"
            )
        found.update(dict.fromkeys(selection.sentences))
    return list(found)


def _nothing(selection: Selection) -> str:
    if not selection.found:
        return "is empty"
    if selection.left_out["script"] == selection.found:
        return f"is in another script than {LANGUAGES[selection.lang].name} is written in"
    return f"holds no usable sentence ({selection.line()})"


def _pronounce(
    words: dict[str, dict[str, list[str]]], source: Source, config: LexiconConfig, scratch: Path, text: NewText
) -> None:
    """Find a pronunciation of each word, the user's first; those of new words are kept in ``text.lexicons``."""
    wanted = {lang: {word for found in sentences.values() for word in found} for lang, sentences in words.items()}
    stated = config.user_lexicon is not None  # then all words are looked for there
    unknown = {lang: {w for w in own if stated or w not in source.lexicons[lang]} for lang, own in wanted.items()}
    made = make_lexicons(scratch, unknown, config, nj=available_cpus())
    for lang, own in unknown.items():
        text.lexicons[lang] = made[lang]
        for word in own - made[lang].keys():
            text.bad[lang, word] = NO_PRONUNCIATION


def _spell(lang: str, sentences: dict[str, list[str]], source: Source, text: NewText) -> None:
    """Keep the sentences all of whose words can be taught."""
    symbols, config = source.start.symbols, source.start.config
    lexicon = source.lexicons[lang] | text.lexicons.get(lang, {})
    good: set[str] = set()
    for word in {word for words in sentences.values() for word in words}:
        problem = _problem(word, lexicon, symbols.phones if symbols.text_input == "phones" else None)
        if not problem and UNKNOWN_LABEL in symbols.tokenizer.encode(word):
            problem = NO_LETTERS
        if problem:
            text.bad.setdefault((lang, word), problem)
        else:
            good.add(word)
    between = f" {BOUNDARY} " if config.lexicon.word_boundary else " "
    for number, (sentence, words) in enumerate(sentences.items()):
        if not words or not good.issuperset(words):
            continue
        key = f"{lang}-{number:07d}"
        text.sentences[key] = (sentence, lang)
        text.words.setdefault(lang, set()).update(words)
        strange = [word for word in words if word not in source.known[lang]]
        if strange:
            text.new.add(key)
            text.new_words.setdefault(lang, Counter()).update(strange)
            text.new_lexicons.setdefault(lang, {}).update((word, lexicon.get(word, ())) for word in strange)
        if symbols.text_input == "phones":
            text.phones[key] = between.join(" ".join(lexicon[word]) for word in words)


def _problem(word: str, lexicon: Lexicon, table: PhoneTable | None) -> str:
    if table is None:
        return ""
    if word not in lexicon:
        return NO_PRONUNCIATION
    return NO_PHONES if UNKNOWN in table.encode(" ".join(lexicon[word])) else ""


def _refuse(files: dict[str, list[Path]], text: NewText) -> None:
    path = next(iter(files.values()))[0]
    if text.sentences:
        raise DataError("holds a single usable sentence", path=path, fix="give it more: some sentences are held out")
    reasons = Counter(text.bad.values())
    named = ", ".join(f"{count} words: {reason}" for reason, count in reasons.most_common())
    example = " ".join(word for _, word in list(text.bad)[:5])
    problem = f"has no sentence all of whose words can be taught ({named}; {example})"
    raise DataError(problem, path=path, fix="is it in the language of the model? or give pronunciations by --lexicon")


def hold_out(keys: Collection[str], share: float, most: int) -> set[str]:
    """Every n-th sentence, about a share of them, at least one."""
    ordered = sort_keys(keys)
    count = max(1, min(most, round(share * len(ordered))))
    return {ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)}

"""wordfreq: unpaired text of the most frequent words of a language, from the lists of the Python package wordfreq.

``data/wordfreq_unpaired``: words in an order of their own, some to a line, so that a line is as long as something that
is said. They have no context, so they teach how words are spelled, not which word follows another: what a recogniser of
a language with many forms lacks first. Lists hold the words of subtitles, Wikipedia, news, books and the web
[R. Speer, wordfreq 3.1, 2022; code Apache-2.0, data CC-BY-SA-4.0]. The package is fetched by its hash, not installed.

Left out are what is not in the language's script, what does not stay one word in the form that is trained on, numbers,
and in other languages than English the words that stand much earlier in the English list.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jointst.common.errors import DataError
from jointst.common.languages import language
from jointst.common.parallel import run_jobs
from jointst.common.wheels import Wheel, fetch_wheels, read_member
from jointst.config import CorpusConfig
from jointst.data.corpora.sentences import Selection, hash_of, is_readable, languages_with_text, write_set

LISTS = {
    "ar": "large", "de": "large", "en": "large", "es": "large", "fr": "large", "hi": "small",
    "it": "large", "ja": "large", "pt": "large", "ru": "large", "zh": "large",
}  # fmt: skip
"""The longest list of each language."""
FILE = "wordfreq-3.1.1-py3-none-any.whl"
SHA256 = "4b1c6ecffc6198be3396d5cf871c4423ca71c907c231348d352dd54d62b97473"
FOREIGN = 10
"""A word whose rank is so many times its rank in English is an English one."""
_SIGNS = set(",;:،，；：、.!?。！？।؟-–—'’\"“”„«»「」")


class _Task(NamedTuple):
    lang: str
    ranked: list[str]
    english: dict[str, int]
    words: int
    length: int


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the text-only set: ``config.wordfreq.words`` words a language, the most frequent that can be used.

    Raises:
        ConfigError: there is no list in any of the languages.
        DataError: the package is not as expected.
        EnvironmentFault: the package cannot be had.
    """
    languages = languages_with_text("wordfreq", config.languages, LISTS)
    downloads = Path(config.downloads)
    lists = {lang: read_list(lang, downloads) for lang in sorted({*languages, "en"})}
    english = {word: rank for rank, word in enumerate(lists["en"])}
    settings = config.wordfreq
    tasks = [
        _Task(lang, lists[lang], english if lang != "en" else {}, settings.words, settings.words_a_line)
        for lang in languages
    ]
    found = run_jobs(_select, tasks, nj, desc="wordfreq", unit="language")
    selections = {selection.lang: selection for selection in found}
    return [write_set("wordfreq", selections, data, languages, settings.words)]


def read_list(lang: str, downloads: Path) -> list[str]:
    """All words of a language's list, the most frequent first.

    Raises:
        DataError: the package is not as expected.
        EnvironmentFault: the package cannot be had.
    """
    import msgpack

    member = f"wordfreq/data/{LISTS[lang]}_{lang}.msgpack.gz"
    wheel = Wheel(package="wordfreq", version="3.1.1", file=FILE, sha256=SHA256, member=member)
    (path,) = fetch_wheels([wheel], downloads, downloads)
    head, *steps = msgpack.unpackb(gzip.decompress(b"".join(read_member(wheel, path))))
    if head != {"format": "cB", "version": 1}:
        raise DataError(f"{member} is of the form {head}", path=path, fix="remove it, then run stage 1 again")
    return [word for step in steps for word in step]


def lines_of(words: Iterable[str], length: int, separator: str) -> list[str]:
    """Words in the order of their hashes, ``length`` to a line; the last line may be shorter."""
    shuffled = sorted(words, key=hash_of)
    return [separator.join(shuffled[begin : begin + length]) for begin in range(0, len(shuffled), length)]


def _select(task: _Task) -> Selection:
    from jointst.text.normalise import normalise

    left_out: Counter[str] = Counter()
    kept: dict[str, None] = {}  # as an ordered set
    for rank, word in enumerate(task.ranked):
        if len(kept) == task.words:
            break
        if set(word) & _SIGNS or not is_readable(word, task.lang):
            left_out["script"] += 1
        elif word in task.english and FOREIGN * (task.english[word] + 1) < rank:
            left_out["english"] += 1
        else:
            normalised = normalise(word, task.lang)
            if not normalised or " " in normalised:
                left_out["length"] += 1
            elif normalised in kept:
                left_out["duplicate"] += 1
            else:
                kept[normalised] = None
    reasons = ", ".join(f"{reason} {left_out[reason]}" for reason in sorted(left_out))
    print(
        f"wordfreq: {task.lang}: {len(kept)} of the {len(kept) + left_out.total()} most frequent words"
        + f"; left out: {reasons}" * bool(reasons),
        flush=True,
    )
    return Selection(task.lang, lines_of(kept, task.length, " " if language(task.lang).has_spaces else ""))

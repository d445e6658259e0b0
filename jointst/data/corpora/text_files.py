"""text_files: unpaired text of the user's own, plain or gzip, UTF-8, one sentence a line.

``data/text_files_unpaired`` from the files of ``corpus.text_files``, for example ``news/{lang}.txt.gz`` or
``/text/{lang}/*.txt``. Numbers, punctuation and case may stand as they were written: sentences are normalised.

A file that is not UTF-8 is refused, with its likely encoding and the command that converts it. Marks of transcribers
(jointst/text/marks.py, ``corpus.transcriber_marks``) are left out of sentences, and counted as ``marks``.

Left out, and counted by reason in ``left_out.tsv``: what is not in the language's script (``script``; Latin names
among other writing are kept), UTF-8 that somebody read as another encoding (``encoding``), empty lines and those longer
than ``corpus.longest_sentence`` (``length``), what equals an English sentence where English is among the languages,
what occurs in a development or test set, duplicates, and what is over ``corpus.unpaired_sentences``. Lines longer than
``corpus.longest_phrase`` are cut at their punctuation first, and counted as the parts that they give.
"""

from __future__ import annotations

import glob
import gzip
import os
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from jointst.common.encodings import how_to_convert
from jointst.common.errors import ConfigError, DataError
from jointst.common.parallel import run_jobs
from jointst.config import CorpusConfig
from jointst.data.corpora.locate import expand
from jointst.data.corpora.sentences import Selection, held_out_sentences, phrases_of, write_set

JOB_BYTES = 4 * 2**20
"""Text that one job normalises, uncompressed."""
LINE_BYTES = 2**16
"""A line that is longer, and longer than :data:`BYTES` for each character allowed, is no sentence: never in memory."""
BYTES = 16
"""Far more than a character takes in UTF-8, since normalised text may be shorter than what was written."""


class _Job(NamedTuple):
    lang: str
    path: Path
    first: int
    """Byte of the uncompressed text: lines that begin in [first, first + JOB_BYTES) belong to the job."""
    longest: int
    longest_phrase: int | None
    held: frozenset[str]
    marks: tuple[str, ...]


def input_files(config: CorpusConfig) -> list[Path]:
    """All files, for every language.

    Raises:
        ConfigError: a language has none.
    """
    return sorted({path for lang in config.languages for path in files_of(config, lang)})


def files_of(config: CorpusConfig, lang: str) -> list[Path]:
    """The files of a language, sorted.

    Raises:
        ConfigError: there is none.
    """
    patterns = [path.replace("{lang}", lang) for path in config.text_files]
    found = {Path(name) for pattern in patterns for name in glob.glob(_literal(pattern), recursive=True)}
    files = sorted(path for path in found if path.is_file())
    if not files:
        fix = f"no file is called {' or '.join(patterns)}" if patterns else "name your files of sentences"
        raise ConfigError("corpus.text_files", f"has no file for the language {lang}", fix)
    return files


def _literal(pattern: str) -> str:
    """A pattern whose parts stand for themselves as far as there are such files: ``text [1]`` is a folder's name."""
    taken: list[str] = []
    path = ""
    parts = expand("corpus.text_files", pattern).split("/")
    for number, part in enumerate(parts):
        path = part if number == 0 else f"{path}/{part}"
        taken.append(glob.escape(part) if part not in ("*", "**") and os.path.lexists(path) else part)
    return "/".join(taken)


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the text-only set.

    Raises:
        ConfigError: a language has no file.
        DataError: a file is not UTF-8, not gzip, or nothing of a language is left.
    """
    held = frozenset(held_out_sentences(data) if config.longest_phrase else ())
    jobs = [
        _Job(lang, path, first, config.longest_sentence, config.longest_phrase, held, config.transcriber_marks)
        for lang in sorted(config.languages)
        for path in files_of(config, lang)
        for first in range(0, _size(path), JOB_BYTES)
    ]
    selections: dict[str, Selection] = {lang: Selection(lang) for lang in config.languages}
    for part in run_jobs(_select, jobs, nj, desc="text_files", unit=f"{JOB_BYTES >> 20} MiB"):
        selections[part.lang].add(part)
    for lang, selection in selections.items():
        if not selection.sentences:
            path = files_of(config, lang)[0]
            wrong = selection.left_out["encoding"] > selection.found / 2
            fix = "it was UTF-8, and read as another encoding: take it from its source again" if wrong else ""
            problem = f"no sentence is usable ({selection.line()})"
            raise DataError(problem, path=path, fix=fix or "look at its language")
    return [write_set("text_files", selections, data, config.languages, config.unpaired_sentences)]


def sentences_of(path: Path, lang: str, longest: int) -> Selection:
    """The usable sentences of one file, normalised; so does ``jointst adapt`` read the text of a new domain.

    Args:
        path: plain or gzip, UTF-8, one sentence a line.
        lang: ISO 639-1 code of their language.
        longest: characters of a sentence, once normalised.

    Raises:
        DataError: the file is missing, not UTF-8, or not gzip.
    """
    if not path.is_file():
        raise DataError("there is no such file of text", path=path, fix="name a file of one sentence a line")
    selection = Selection(lang)
    for first in range(0, _size(path), JOB_BYTES):
        selection.add(_select(_Job(lang, path, first, longest, None, frozenset(), CorpusConfig().transcriber_marks)))
    return selection


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else open(path, "rb")


def _size(path: Path) -> int:
    """Bytes of the uncompressed text."""
    if path.suffix != ".gz":
        return path.stat().st_size
    try:
        with _open(path) as stream:
            return sum(len(block) for block in iter(lambda: stream.read(1 << 20), b""))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"is not whole gzip: {error}", path=path, fix="fetch it again, or drop its suffix .gz"
        ) from None


def _select(job: _Job) -> Selection:
    from jointst.common.encodings import read_wrongly
    from jointst.text.marks import strip_marks
    from jointst.text.normalise import normalise
    from jointst.text.scripts import is_written_in

    chosen = Selection(job.lang)
    for written in phrases_of(_lines(job), job.longest_phrase, job.held, chosen):
        line, marks = strip_marks(written, job.marks)
        chosen.marks += len(marks)
        if read_wrongly(line):
            chosen.left_out["encoding"] += 1
            continue
        sentence = normalise(line, job.lang)
        if not 0 < len(sentence) <= job.longest:
            chosen.left_out["length"] += 1
        # by what was written, since the normaliser of English transliterates
        elif not is_written_in("".join(filter(str.isalpha, unicodedata.normalize("NFKC", line))) or sentence, job.lang):
            chosen.left_out["script"] += 1
        else:
            chosen.sentences.append(sentence)
    return chosen


def _lines(job: _Job) -> Iterator[str]:
    """The lines that begin in the job's part of its file."""
    with _open(job.path) as stream:
        place = job.first
        if place:
            stream.seek(place - 1)
            place += _skip_line(stream, JOB_BYTES) - 1  # the rest of a line that began before, or only its line feed
        most = max(LINE_BYTES, BYTES * job.longest)
        while place < job.first + JOB_BYTES:
            raw = stream.readline(most)
            if not raw:
                return
            if len(raw) == most and not raw.endswith(b"\n"):
                place += len(raw) + _skip_line(stream, job.first + JOB_BYTES - place)
                yield "\n"  # counted among those of a wrong length, as an empty line is
                continue
            try:
                line = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
                problem = "holds a zero byte" if "\0" in line else ""
            except UnicodeDecodeError as error:
                problem = f"is not UTF-8 at byte {error.start}"
            if problem:
                fix = how_to_convert(job.path, job.lang)
                raise DataError(problem, path=job.path, line=_line_number(job.path, place), fix=fix)
            yield line
            place += len(raw)


def _skip_line(stream: BinaryIO, most: int) -> int:
    """Skip to the end of a line, or at least ``most`` bytes of it, never with all of it in memory; bytes skipped."""
    skipped = 0
    while skipped <= most:
        block = stream.readline(LINE_BYTES)
        skipped += len(block)
        if not block or block.endswith(b"\n"):
            break
    return skipped


def _line_number(path: Path, place: int) -> int:
    with _open(path) as stream:
        number = 1
        while place > 0 and (block := stream.read(min(place, 1 << 20))):
            number += block.count(b"\n")
            place -= len(block)
        return number

"""table: recordings of your own, listed in CSV, TSV or JSON lines.

``data/table_{train,dev,test}`` from the files of ``corpus.table.files``, the first line of CSV and TSV naming the
columns, in any order, others than these being ignored::

    path,text,speaker,language,split
    clips/0001.wav,"Open the door, please.",anna,en,train

    {"path": "clips/0001.wav", "text": "Open the door, please.", "speaker": "anna", "language": "en"}

``path`` is relative to the file that states it, ``language`` an ISO 639-1 code of ``corpus.languages``. ``split`` is
train, dev or test; where the column is missing or a field of it is empty, a hash of the sentence decides, so that equal
sentences are in one set: 80 %, 8 %, 12 %. TSV has no quoting, as in Common Voice. Every fault is reported, not the
first alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.directory import DataDirectory
from jointst.errors import ConfigError, DataError
from jointst.languages import LANGUAGES

VERSION = 1
COLUMNS = ("path", "text", "speaker", "language")
SPLITS = ("train", "dev", "test")
SHOWN = 10
"""Faults in a message; the others are counted."""


class Record(NamedTuple):
    """One line: its fields as they are written, and where it stands."""

    fields: dict[str, str]
    file: Path
    line: int

    def fault(self, column: str, problem: str, fix: str) -> DataError:
        """A fault of one of its fields."""
        return DataError(f"column {column}: {problem}", path=self.file, line=self.line, fix=fix)


def input_files(config: CorpusConfig) -> list[Path]:
    """The files that the sets depend on."""
    return [Path(name) for name in config.table.files]


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make those of the three sets that have utterances.

    Raises:
        ConfigError: no file is named, or one is missing or of another kind.
        DataError: faulty lines, each with file, line, column and fix.
    """
    if not config.table.files:
        raise ConfigError("corpus.table.files", "is empty", "name your CSV, TSV or JSON lines files")
    records = [record for number, name in enumerate(config.table.files) for record in read(Path(name), number)]
    sets = {split: DataDirectory(data / f"table_{split}", {}) for split in SPLITS}
    speakers: dict[str, str] = {}
    faults: list[DataError] = []
    for record in records:
        try:
            _add(record, config, sets, speakers)
        except DataError as fault:
            faults.append(fault)
    if faults:
        shown = "\n".join(str(fault) for fault in faults[:SHOWN])
        more = f"\nand {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise DataError(f"{len(faults)} of {len(records)} lines are faulty:\n{shown}{more}")
    for item in sets.values():
        if not item.text:
            (item.path / "text").unlink(missing_ok=True)  # of an earlier table; without it there is no such set
    return [item.write(item.path).path for item in sets.values() if item.text]


def read(path: Path, number: int = 0) -> list[Record]:
    """The lines of a file; empty ones are skipped.

    Args:
        path: the file; its ending says what it is.
        number: its place in the settings, for the message of an error.

    Raises:
        ConfigError: the file is missing, or has another ending.
        DataError: not UTF-8, no heading, a line with too many or too few fields, or not JSON; with file and line.
    """
    key = f"corpus.table.files: item {number}"
    if not path.is_file():
        raise ConfigError(key, f"there is no file {str(path)!r}", f"relative paths begin at {Path.cwd()}")
    readers = {".csv": _read_columns, ".tsv": _read_columns, ".jsonl": _read_json}
    if path.suffix not in readers:
        raise ConfigError(key, f"{str(path)!r} ends in {path.suffix!r}", f"one of {' '.join(readers)}")
    try:
        records = list(readers[path.suffix](path, path.read_bytes().decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"is not UTF-8: {error.reason}", path=path, line=line, fix="save it as UTF-8") from None
    if not records:
        raise DataError("has no recordings", path=path, fix="a line for each")
    return records


def _read_columns(path: Path, content: str) -> Iterator[Record]:
    lines = io.StringIO(content, newline="")  # not str.splitlines, which ends lines at U+2028 and the like too
    if path.suffix == ".tsv":
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(lines, strict=True)
    heading: list[str] = []
    begin = 1
    try:
        for row in rows:
            if not heading:
                heading = [name.strip().lower() for name in row]
                _check_heading(heading, path)
            elif row and any(field.strip() for field in row):
                if len(row) != len(heading):
                    problem = f"{len(row)} fields, the heading has {len(heading)}"
                    fix = "quote fields that hold commas" if path.suffix == ".csv" else "one tab between fields"
                    raise DataError(problem, path=path, line=begin, fix=fix)
                yield Record({name: field.strip() for name, field in zip(heading, row)}, path, begin)
            begin = rows.line_num + 1
    except csv.Error as error:
        fix = 'quotes inside quotes are doubled: ""'
        raise DataError(f"is not CSV: {error}", path=path, line=begin, fix=fix) from None


def _check_heading(heading: list[str], path: Path) -> None:
    missing = [name for name in COLUMNS if name not in heading]
    if missing:
        found = " ".join(heading)
        fix = "name the columns there"
        if path.suffix == ".csv" and (";" in found or "\t" in heading[0]):
            fix = "separate fields by commas, or name the file .tsv if they are separated by tabs"
        raise DataError(f"no column {' '.join(missing)}, only {found}", path=path, line=1, fix=fix)
    doubled = {name for name in heading if heading.count(name) > 1 and name in (*COLUMNS, "split")}
    if doubled:
        raise DataError(f"column {' '.join(sorted(doubled))} twice", path=path, line=1, fix="remove one")


def _read_json(path: Path, content: str) -> Iterator[Record]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"is not JSON: {error.msg} at character {error.colno}"
            raise DataError(problem, path=path, line=number, fix="one object a line, in double quotes") from None
        if not isinstance(found, dict):
            raise DataError(f"holds no object but {line[:40]!r}", path=path, line=number, fix='{"path": ...}')
        for name in COLUMNS:
            if name not in found:
                raise DataError(f"no key {name!r}", path=path, line=number, fix=f"keys: {' '.join(COLUMNS)}")
        for name in (*COLUMNS, "split"):
            if isinstance(found.get(name), (dict, list)) or "\\ud" in ascii(found.get(name)):
                raise DataError(f"key {name!r} holds {found[name]!a}", path=path, line=number, fix="one string, UTF-8")
        yield Record({name: "" if field is None else str(field).strip() for name, field in found.items()}, path, number)


def _add(record: Record, config: CorpusConfig, sets: dict[str, DataDirectory], speakers: dict[str, str]) -> None:
    """Put an utterance into its set; ``speakers`` keeps how each speaker's id is written in the table."""
    from jointst.text.normalise import normalise

    lang, split = record.fields["language"].lower(), record.fields.get("split", "").lower()
    if lang not in LANGUAGES:
        code = re.split("[-_]", lang)[0]
        fix = f"write {code}" if code in LANGUAGES else f"one of {' '.join(LANGUAGES)}"
        raise record.fault("language", f"{record.fields['language']!r} is unknown", fix)
    if lang not in config.languages:
        raise record.fault("language", f"{lang!r} is not in corpus.languages", "add it there, or remove the line")
    if split and split not in SPLITS:
        raise record.fault("split", f"{record.fields['split']!r} is unknown", f"one of {' '.join(SPLITS)}, or nothing")
    if not record.fields["speaker"]:
        raise record.fault("speaker", "is empty", "any name; recordings of one person have the same")
    text = " ".join(record.fields["text"].split())
    sentence = normalise(text, lang) if config.table.normalise else text
    if not sentence:
        raise record.fault("text", f"{record.fields['text']!r} holds no words", "what is said, or remove the line")
    audio = record.file.parent / record.fields["path"]
    if not record.fields["path"] or not audio.is_file():
        raise record.fault("path", f"there is no file {str(audio)!r}", f"paths are relative to {record.file.parent}")
    written = record.fields["speaker"]
    speaker = _name(written)
    if speakers.setdefault(speaker, written) != written:
        raise record.fault("speaker", f"{written!r} and {speakers[speaker]!r} have one id, {speaker}", "rename one")
    utterance = f"{speaker}-{_name(audio.stem)}-{hashlib.sha256(str(audio).encode()).hexdigest()[:8]}"
    chosen = sets[split or split_of(lang, sentence)]
    if any(utterance in item.text for item in sets.values()):
        raise record.fault("path", f"{record.fields['path']!r} is listed twice for this speaker", "remove one line")
    chosen.text[utterance] = sentence
    chosen.utt2spk[utterance] = speaker
    chosen.utt2lang[utterance] = lang
    chosen.wav_scp[utterance] = str(audio)


def _name(text: str) -> str:
    """``text`` as a part of an utterance's id: no spaces, and no hyphens, which separate the parts."""
    return re.sub(r"[\s\-]+", "_", text)

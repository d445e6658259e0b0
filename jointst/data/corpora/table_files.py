"""Tables that people write, as spreadsheets and tools write them: encodings, delimiters, quotes, JSON."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jointst.common.encodings import how_to_convert
from jointst.common.errors import ConfigError, DataError
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.rows import quoted_rows, read_bytes
from jointst.kaldi.labels import LABELS

COLUMNS = ("path", "text", "speaker", "language")
WITHOUT_LANGUAGE = COLUMNS[:3]
"""What a table must have where all is in one language."""
OPTIONAL = ("split", *LABELS)
MEANING = {
    "path": "the sound file, from the list's folder on",
    "text": "what is said",
    "speaker": "any name, the same for all recordings of a person",
    "language": "a code such as en",
}
"""What a column says, for messages."""
SPEAKERS = ("speaker",)
"""What a table of speakers must have, beside any of the labels."""
OTHERS = {
    "path": ("file", "filename", "file_name", "audio", "audio_path", "audio_filepath", "wav", "wav_path", "clip"),
    "text": ("sentence", "transcript", "transcription", "sentences", "normalized_text", "words"),
    "speaker": ("client_id", "speaker_id", "spk", "spk_id", "speakers", "reader"),
    "language": ("locale", "lang", "language_id", "languages"),
    "split": ("set", "subset", "partition"),
}
"""What other tools call the columns, for messages."""
DELIMITED = {".csv": ",;\t|", ".tsv": "\t;,|", ".tab": "\t;,|", ".txt": "\t,;|"}
"""Delimiters that are tried, in this order: the first one that gives all columns."""
JSON = (".jsonl", ".json", ".ndjson")
WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_WORKBOOK_BYTES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEP = re.compile(r'"?sep=(?P<delimiter>.)"?\r?\n?', re.IGNORECASE)
SAVE = "save it as CSV UTF-8"


class Record(NamedTuple):
    """One line: its fields as they are written, and where it stands."""

    fields: dict[str, str]
    file: Path
    line: int

    def fault(self, column: str, problem: str, fix: str) -> DataError:
        """A fault of one of its fields."""
        return DataError(f"column {column}: {problem}", path=self.file, line=self.line, fix=fix)


def read(
    path: Path, number: int, losses: Losses, columns: Sequence[str] = COLUMNS, setting: str = "corpus.table.files"
) -> list[Record]:
    """The lines of a file; empty ones are skipped, and those that cannot be read are left out.

    Args:
        path: the file; its ending says what it is.
        number: its place in the setting, for the message of an error.
        columns: those that it must have.
        setting: that names it.
        losses: gets lines with too many or too few fields, with broken quotes, and that are not JSON.

    Raises:
        ConfigError: the file is missing, or has another ending.
        DataError: the file as a whole is not such a table: not UTF-8, a workbook, no heading, columns missing.
    """
    key = f"{setting}: item {number}"
    if not path.is_file():
        raise ConfigError(key, f"there is no file {str(path)!r}", f"relative paths begin at {Path.cwd()}")
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind in WORKBOOKS:
        raise ConfigError(key, f"{str(path)!r} is a workbook of a spreadsheet", SAVE)
    if kind not in (*DELIMITED, *JSON):
        raise ConfigError(key, f"{str(path)!r} ends in {kind!r}", f"one of {' '.join((*DELIMITED, *JSON))}")
    before = len(losses.lost)
    content = _decode(path, read_bytes(path, "give access, or make it again"))
    if kind in JSON:
        records = list(_json(path, content, losses, columns))
    else:
        records = list(_delimited(path, content, DELIMITED[kind], losses, columns))
    if not records and len(losses.lost) == before:
        what = "recordings" if columns[0] == COLUMNS[0] else f"{columns[0]}s"
        raise DataError(f"has no {what}", path=path, fix="a line for each")
    return records


def _decode(path: Path, content: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 that says so, as spreadsheets write it."""
    if content.startswith(_WORKBOOK_BYTES):
        raise DataError("is a workbook of a spreadsheet, whatever its name", path=path, fix=SAVE)
    if re.match(rb"\s*<(!doctype|html|head)\b", content[:1000], re.IGNORECASE):
        raise DataError("is a web page", path=path, fix="download the file itself")
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        problem = "holds zero bytes: it is in UTF-16, or no text"
        raise DataError(problem, path=path, line=line, fix=f"{SAVE}; {how_to_convert(path)}")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        written = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
        fix = how_to_convert(path)
        raise DataError(f"is not {written}: {error.reason}", path=path, line=line, fix=fix) from None


def _delimited(path: Path, content: str, delimiters: str, losses: Losses, columns: Sequence[str]) -> Iterator[Record]:
    lines = io.StringIO(content, newline="").readlines()  # not str.splitlines, which ends lines at U+2028 too
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    stated = _SEP.fullmatch(lines[first]) if first < len(lines) else None
    first += stated is not None  # Excel's own line, which names the delimiter
    if first == len(lines):
        return
    delimiter = stated["delimiter"] if stated else _delimiter(lines[first], delimiters, columns)
    heading: list[str] = []
    for row_number, row in _rows(lines[first:], delimiter):
        number = first + row_number
        if not heading:
            if isinstance(row, str):
                raise DataError(f"the heading is not CSV: {row}", path=path, line=number, fix="name the columns there")
            heading = _heading(row)
            _check_heading(heading, path, number, columns)
        elif isinstance(row, str):
            fix = 'quotes inside quotes are doubled: ""'
            losses.add("fields", DataError(f"is not CSV: {row}", path=path, line=number, fix=fix))
        elif any(field.strip() for field in row):
            while len(row) > len(heading) and not row[-1].strip():
                row.pop()  # a delimiter at the end of the line
            if len(row) != len(heading):
                problem = f"{len(row)} fields, the heading has {len(heading)}"
                fix = "one tab between fields" if delimiter == "\t" else f"quote fields that hold {delimiter!r}"
                losses.add("fields", DataError(problem, path=path, line=number, fix=fix))
                continue
            yield Record({name: field.strip() for name, field in zip(heading, row)}, path, number)


def _rows(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Rows with their 1-based lines. Tabs are not quoted, but a field that is quoted as a whole is freed of that."""
    if delimiter != "\t":
        yield from quoted_rows(lines, delimiter)
        return
    for number, line in enumerate(lines, start=1):
        yield number, [_unquoted(field) for field in line.rstrip("\r\n").split("\t")]


def _unquoted(field: str) -> str:
    inner = field[1:-1].replace('""', "")
    whole = len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inner
    return field[1:-1].replace('""', '"') if whole else field


def _heading(row: list[str]) -> list[str]:
    """Names of columns without regard to case, spaces around them and quotes."""
    return [name.strip().strip("\"'").strip().lower() for name in row]


def _delimiter(line: str, delimiters: str, columns: Sequence[str]) -> str:
    """What separates the names of the columns."""
    split = {delimiter: _heading(line.split(delimiter)) for delimiter in delimiters}
    whole = [delimiter for delimiter, names in split.items() if set(columns) <= set(names)]
    return whole[0] if whole else max(delimiters, key=lambda delimiter: len(split[delimiter]))


def _check_heading(heading: list[str], path: Path, line: int, columns: Sequence[str]) -> None:
    missing = [name for name in _wanted(columns, heading) if name not in heading]
    if missing:
        fix = _how_to_complete(missing, heading)
        found = " ".join(heading)
        shown = found if len(found) < 200 else f"{found[:200]}..."
        raise DataError(f"no column {' '.join(missing)}, only {shown}", path=path, line=line, fix=fix)
    doubled = {name for name in heading if heading.count(name) > 1 and name in (*COLUMNS, *OPTIONAL)}
    if doubled:
        raise DataError(f"column {' '.join(sorted(doubled))} twice", path=path, line=line, fix="remove one")


def _wanted(columns: Sequence[str], found: Container[str]) -> Sequence[str]:
    """The columns that are needed, and those that may be left out and are there under another name alone."""
    if columns[0] != COLUMNS[0]:
        return columns
    unread = [name for name in ("language", "split") if name not in columns and name not in found]
    return [*columns, *(name for name in unread if any(other in found for other in OTHERS[name]))]


def _how_to_complete(missing: Sequence[str], heading: Sequence[str]) -> str:
    """What to do about columns that a heading lacks: rename those of other tools, add the others."""
    renamed = {name: other for name in missing for other in OTHERS[name] if other in heading}
    if not renamed and set(missing) >= set(COLUMNS[:3]):
        return "begin with a line that names the columns, with commas between them"
    parts = []
    if renamed:
        parts.append("rename the column " + ", ".join(f"{other} to {name}" for name, other in renamed.items()))
    parts += [f"add a column {name}: {MEANING[name]}" for name in missing if name not in renamed]
    return "; ".join(parts)


def _json(path: Path, content: str, losses: Losses, columns: Sequence[str]) -> Iterator[Record]:
    """Records of JSON lines, or of one JSON list."""
    if content.lstrip().startswith("[") and (found := _list(content)) is not None:
        for number, item in enumerate(found, start=1):
            record = _record(path, number, item, losses, columns)
            if record:
                yield record
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"is not JSON: {error.msg} at character {error.colno}"
            fix = "one object a line, in double quotes"
            losses.add("fields", DataError(problem, path=path, line=number, fix=fix))
            continue
        except (RecursionError, ValueError) as error:  # brackets without end; a number of thousands of digits
            losses.add("fields", DataError(f"is not JSON: {error}", path=path, line=number))
            continue
        record = _record(path, number, item, losses, columns)
        if record:
            yield record


def _list(content: str) -> list[object] | None:
    """The items of a file that is one JSON list of objects."""
    try:
        found = json.loads(content)
    except (RecursionError, ValueError):
        return None
    return found if isinstance(found, list) and all(isinstance(item, dict) for item in found) else None


def _record(path: Path, number: int, item: object, losses: Losses, columns: Sequence[str]) -> Record | None:
    """An object as a record; None where it is left out."""
    problem = fix = ""
    fields = {str(name).strip().lower(): field for name, field in item.items()} if isinstance(item, dict) else {}
    missing = [name for name in _wanted(columns, fields) if name not in fields]
    if not isinstance(item, dict):
        problem, fix = f"holds no object but {str(item)[:40]!r}", '{"path": ...}'
    elif missing:
        other = next((other for other in OTHERS[missing[0]] if other in fields), "")
        problem = f"no key {missing[0]!r}"
        fix = f"rename {other} to {missing[0]}" if other else f"keys: {' '.join(columns)}"
    for name in (*COLUMNS, *OPTIONAL):
        if isinstance(fields.get(name), (dict, list)) or "\\ud" in ascii(fields.get(name)):
            problem, fix = f"key {name!r} holds {ascii(fields[name])[:60]}", "one string, UTF-8"
    if problem:
        losses.add("fields", DataError(problem, path=path, line=number, fix=fix))
        return None
    return Record({name: "" if field is None else str(field).strip() for name, field in fields.items()}, path, number)

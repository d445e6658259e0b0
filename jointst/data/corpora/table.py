"""table: recordings of your own, listed in CSV, TSV or JSON lines.

``data/table_{train,dev,test}`` from the files of ``corpus.table.files``, the first line of CSV and TSV naming the
columns, in any order and case, others than these being ignored::

    path,text,speaker,language,split
    clips/0001.wav,"Open the door, please.",anna,en,train

    {"path": "clips/0001.wav", "text": "Open the door, please.", "speaker": "anna", "language": "en"}

``path`` is absolute, begins with ``~``, or is relative to the file that states it; ``language`` is an ISO 639-1 code:
lines in languages that ``corpus.languages`` does not name are left aside, and where it names one alone the column may
be missing. ``split`` is train, dev or test; where the column is missing or a field of it is empty, a hash of the
sentence decides, so that equal sentences are in one set: 80 %, 8 %, 12 %. Where the file states sets that share
sentences, test sets stay whole (see :mod:`.shared`). Fields are separated by commas, semicolons, tabs or bars; tabs
have no quoting, as in Common Voice. A line that cannot be used, or whose recording cannot be read, is left out, up to
``corpus.most_left_out`` of the lines.

With ``corpus.table.apart`` the file ``list.csv`` makes ``data/table_list_{train,dev,test}``. Columns ``age``,
``gender`` and ``emotion``, here or in the files of ``corpus.table.speakers``, become the files of
:mod:`jointst.kaldi.labels`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jointst.common.errors import ConfigError, DataError
from jointst.common.languages import LANGUAGES
from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.corpora.left_out import LeftOut, Losses
from jointst.data.corpora.locate import expand, locate
from jointst.data.corpora.shared import keep_held_out_whole
from jointst.data.corpora.table_files import COLUMNS, SPEAKERS, WITHOUT_LANGUAGE, Record, read
from jointst.data.corpora.transcripts import Transcripts
from jointst.data.corpora.usable import drop_unusable, is_plain, remembered
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.labels import LABELS, write_labels

VERSION = 3
SPLITS = ("train", "dev", "test")
_CODE = re.compile("[a-z]{2,3}")


class _Unusable(Exception):
    """A line that is left out: one of the reasons of :mod:`.left_out`, and the fault."""

    def __init__(self, reason: str, fault: DataError) -> None:
        self.reason, self.fault = reason, fault
        super().__init__(reason)


def input_files(config: CorpusConfig) -> list[Path]:
    """The files that the sets depend on.

    Raises:
        ConfigError: a path names an environment variable that is not set.
    """
    return _paths("files", config.table.files) + _paths("speakers", config.table.speakers)


def _paths(key: str, names: Iterable[str]) -> list[Path]:
    return [Path(expand(f"corpus.table.{key}", name)) for name in names]


@dataclass
class _Table:
    """What becomes of the lines of all files.

    Attributes:
        config: of the corpus.
        transcripts: cleans the text.
        sets: by name.
        labels: what is known of utterances: value of each, by label.
        places: file and line of each utterance.
        speakers: how each speaker's id is written in the table.
        aside: lines in languages that are not wanted.
    """

    config: CorpusConfig
    transcripts: Transcripts
    sets: dict[str, DataDirectory] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in LABELS})
    places: dict[str, tuple[Path, int]] = field(default_factory=dict)
    speakers: dict[str, str] = field(default_factory=dict)
    aside: list[Record] = field(default_factory=list)


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make those of the sets that have utterances.

    Raises:
        ConfigError: no file is named, one is missing or of another kind, or it cannot give its name to sets.
        DataError: a file as a whole is not such a table; too many lines cannot be used, each with file, line, column
            and fix; a set loses too many sentences that others have.
    """
    files = _paths("files", config.table.files)
    if not files:
        raise ConfigError("corpus.table.files", "is empty", "name your CSV, TSV or JSON lines files")
    names = _names(files) if config.table.apart else ["table"] * len(files)
    left_out = LeftOut("table", data, config.most_left_out)
    losses = Losses("the table", files[0])
    table = _Table(config, Transcripts("table", config.transcriber_marks))
    for name in dict.fromkeys(names):
        for split in SPLITS:
            table.sets[f"{name}_{split}"] = DataDirectory(data / f"{name}_{split}", {})
    known = _known_speakers(config, losses)
    columns = WITHOUT_LANGUAGE if len(config.languages) == 1 else COLUMNS
    for number, (path, name) in enumerate(zip(files, names, strict=True)):
        for record in read(path, number, losses, columns):
            try:
                utterance = _add(record, table, name)
            except _Unusable as left:
                losses.add(left.reason, left.fault)
                continue
            if utterance:
                table.places[utterance] = (record.file, record.line)
                _label(utterance, (known.get(record.fields["speaker"], {}), record.fields), table.labels)
    _remark_on_languages(table, losses)
    sets = list(table.sets.values())
    for item in sets:
        drop_unusable(item, table.places, losses, nj, remembered(data, item.path.name))
    left_out.close(losses, sum(len(item.text) for item in sets))
    by_part = {split: [item for item in sets if item.path.name.endswith(f"_{split}")] for split in SPLITS}
    keep_held_out_whole("table", by_part, same_sentences=config.same_sentences, most=config.most_left_out)
    table.transcripts.report()
    for item in sets:
        if not item.text:
            (item.path / "text").unlink(missing_ok=True)  # of an earlier table; without it there is no such set
            continue
        own = {
            name: {key: value for key, value in found.items() if key in item.text}
            for name, found in table.labels.items()
        }
        write_labels(item.path, own)
        item.write(item.path)
    return [item.path for item in sets if item.text]


def _names(files: Iterable[Path]) -> list[str]:
    """How the sets of each file begin.

    Raises:
        ConfigError: two files have one name, or one has a word in it by which sets are told apart.
    """
    names: list[str] = []
    for number, path in enumerate(files):
        stem = _name(path.name.removesuffix(".gz").rpartition(".")[0])
        problem = "two files have this name" if f"table_{stem}" in names else ""
        words = set(stem.lower().split("_")) & {*SPLITS, "development", "valid", "validation", "eval", "unpaired"}
        if words:
            problem = f"sets whose names hold {' '.join(sorted(words))} play a part of their own"
        if problem:
            key = f"corpus.table.files: item {number}"
            raise ConfigError(key, f"{path.name!r} cannot name its sets: {problem}", "rename it, or leave apart false")
        names.append(f"table_{stem}")
    return names


def _known_speakers(config: CorpusConfig, losses: Losses) -> dict[str, dict[str, str]]:
    """What the files of ``corpus.table.speakers`` say of each speaker."""
    setting = "corpus.table.speakers"
    files = enumerate(_paths("speakers", config.table.speakers))
    records = [record for number, path in files for record in read(path, number, losses, SPEAKERS, setting)]
    return {record.fields["speaker"]: record.fields for record in records}


def _label(utterance: str, stated: Iterable[Mapping[str, str]], labels: Mapping[str, dict[str, str]]) -> None:
    """Keep what is stated of an utterance, the last if several say something of it."""
    for name, found in labels.items():
        for fields in stated:
            value = " ".join(fields.get(name, "").lower().split())
            if value:
                found[utterance] = value


def _remark_on_languages(table: _Table, losses: Losses) -> None:
    """Say how many lines are in languages that are not wanted; where no others are left, that is their fault."""
    counts = Counter(record.fields["language"].lower() for record in table.aside)
    if not any(item.text for item in table.sets.values()):
        for record in table.aside:
            lang, fix = record.fields["language"].lower(), "add it there, or remove the line"
            if lang not in LANGUAGES:
                fix = f"one of {' '.join(LANGUAGES)}"
            losses.add("language", record.fault("language", f"{lang!r} is not in corpus.languages", fix))
    elif counts:
        found = ", ".join(f"{lang} {count}" for lang, count in counts.most_common())
        print(f"corpus table: lines in languages that corpus.languages does not name: {found}", flush=True)


def _add(record: Record, table: _Table, name: str) -> str:
    """Put an utterance into its set, of those whose names begin with ``name``, and give its id; empty if set aside."""
    config, transcripts = table.config, table.transcripts
    lang, split = record.fields.get("language", config.languages[0]).lower(), record.fields.get("split", "").lower()
    if lang not in LANGUAGES and not _CODE.fullmatch(lang):
        code = re.split("[-_]", lang)[0]
        fix = f"write {code}" if code in LANGUAGES else f"one of {' '.join(LANGUAGES)}"
        raise _unusable("language", record, "language", f"{record.fields['language']!r} is unknown", fix)
    if lang not in config.languages:
        table.aside.append(record)
        return ""
    if split and split not in SPLITS:
        fix = f"one of {' '.join(SPLITS)}, or nothing"
        raise _unusable("split", record, "split", f"{record.fields['split']!r} is unknown", fix)
    if not record.fields["speaker"]:
        fix = "any name; recordings of one person have the same"
        raise _unusable("speaker", record, "speaker", "is empty", fix)
    text = record.fields["text"]
    if damage := transcripts.damage(text):
        raise _unusable("encoding", record, "text", damage, "make the table again from its source, as UTF-8")
    if config.table.normalise:
        sentence = transcripts.clean(text, lang)
    else:
        sentence = " ".join(transcripts.without_marks(text).replace("\0", " ").split())
    if not sentence:
        fix = "what is said, or remove the line"
        raise _unusable("words", record, "text", f"{text!r} holds no words", fix)
    try:
        audio = locate(record.file.parent, record.fields["path"])
    except DataError as fault:
        raise _unusable("audio-missing", record, "path", fault.problem, fault.fix) from None
    if not is_plain(str(audio)):
        raise _unusable("audio-path", record, "path", f"{str(audio)!r} cannot stand in wav.scp", "rename the file")
    written = record.fields["speaker"]
    speaker = _name(written)
    if table.speakers.setdefault(speaker, written) != written:
        problem = f"{written!r} and {table.speakers[speaker]!r} have one id, {speaker}"
        raise _unusable("speaker", record, "speaker", problem, "rename one")
    utterance = f"{speaker}-{_name(audio.stem)}-{hashlib.sha256(str(audio).encode()).hexdigest()[:8]}"
    if any(utterance in item.text for item in table.sets.values()):
        problem = f"{record.fields['path']!r} is listed twice for this speaker"
        raise _unusable("twice", record, "path", problem, "remove one line")
    chosen = table.sets[f"{name}_{split or split_of(lang, sentence)}"]
    chosen.text[utterance] = sentence
    chosen.utt2spk[utterance] = speaker
    chosen.utt2lang[utterance] = lang
    chosen.wav_scp[utterance] = str(audio)
    return utterance


def _unusable(reason: str, record: Record, column: str, problem: str, fix: str) -> _Unusable:
    return _Unusable(reason, record.fault(column, problem, fix))


def _name(text: str) -> str:
    """``text`` as a part of an utterance's id: no spaces, and no hyphens, which separate the parts."""
    return re.sub(r"[\s\-\x00-\x1f]+", "_", text)

"""table: recordings of your own, listed in CSV, TSV or JSON lines.

``data/table_{train,dev,test}`` from the files of ``corpus.table.files``, the first line of CSV and TSV naming the
columns, in any order and case, others than these being ignored::

    path,text,speaker,language,split
    clips/0001.wav,"Open the door, please.",anna,en,train

    {"path": "clips/0001.wav", "text": "Open the door, please.", "speaker": "anna", "language": "en"}

``path`` is absolute, begins with ``~``, or is relative to the file that states it; ``language`` is an ISO 639-1 code of
``corpus.languages``. ``split`` is train, dev or test; where the column is missing or a field of it is empty, a hash of
the sentence decides, so that equal sentences are in one set: 80 %, 8 %, 12 %. Fields are separated by commas,
semicolons, tabs or bars; tabs have no quoting, as in Common Voice. A line that cannot be used, or whose recording
cannot be read, is left out, up to ``corpus.most_left_out`` of the lines.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from jointst.config import CorpusConfig
from jointst.data.corpora import split_of
from jointst.data.corpora.left_out import LeftOut, Losses
from jointst.data.corpora.locate import locate
from jointst.data.corpora.table_files import Record, read
from jointst.data.corpora.transcripts import Transcripts
from jointst.data.corpora.usable import drop_unusable, is_plain, remembered
from jointst.data.directory import DataDirectory
from jointst.errors import ConfigError, DataError
from jointst.languages import LANGUAGES

VERSION = 2
SPLITS = ("train", "dev", "test")


class _Unusable(Exception):
    """A line that is left out: one of the reasons of :mod:`.left_out`, and the fault."""

    def __init__(self, reason: str, fault: DataError) -> None:
        self.reason, self.fault = reason, fault
        super().__init__(reason)


def input_files(config: CorpusConfig) -> list[Path]:
    """The files that the sets depend on."""
    return [_path(name) for name in config.table.files]


def _path(name: str) -> Path:
    return Path(name if os.path.exists(name) else os.path.expanduser(name))


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make those of the three sets that have utterances.

    Raises:
        ConfigError: no file is named, or one is missing or of another kind.
        DataError: a file as a whole is not such a table; too many lines cannot be used, each with file, line, column
            and fix.
    """
    files = input_files(config)
    if not files:
        raise ConfigError("corpus.table.files", "is empty", "name your CSV, TSV or JSON lines files")
    left_out = LeftOut("table", data, config.most_left_out)
    losses = Losses("the table", files[0])
    transcripts = Transcripts("table", config.transcriber_marks)
    sets = {split: DataDirectory(data / f"table_{split}", {}) for split in SPLITS}
    speakers: dict[str, str] = {}
    places: dict[str, tuple[Path, int]] = {}
    for number, path in enumerate(files):
        for record in read(path, number, losses):
            try:
                places[_add(record, config, sets, speakers, transcripts)] = (record.file, record.line)
            except _Unusable as left:
                losses.add(left.reason, left.fault)
    for item in sets.values():
        drop_unusable(item, places, losses, nj, remembered(data, item.path.name))
    left_out.close(losses, sum(len(item.text) for item in sets.values()))
    transcripts.report()
    for item in sets.values():
        if not item.text:
            (item.path / "text").unlink(missing_ok=True)  # of an earlier table; without it there is no such set
    return [item.write(item.path).path for item in sets.values() if item.text]


def _add(
    record: Record,
    config: CorpusConfig,
    sets: dict[str, DataDirectory],
    speakers: dict[str, str],
    transcripts: Transcripts,
) -> str:
    """Put an utterance into its set, and give its id; ``speakers`` keeps how each speaker's id is written."""
    lang, split = record.fields["language"].lower(), record.fields.get("split", "").lower()
    if lang not in LANGUAGES:
        code = re.split("[-_]", lang)[0]
        fix = f"write {code}" if code in LANGUAGES else f"one of {' '.join(LANGUAGES)}"
        raise _unusable("language", record, "language", f"{record.fields['language']!r} is unknown", fix)
    if lang not in config.languages:
        fix = "add it there, or remove the line"
        raise _unusable("language", record, "language", f"{lang!r} is not in corpus.languages", fix)
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
    if speakers.setdefault(speaker, written) != written:
        problem = f"{written!r} and {speakers[speaker]!r} have one id, {speaker}"
        raise _unusable("speaker", record, "speaker", problem, "rename one")
    utterance = f"{speaker}-{_name(audio.stem)}-{hashlib.sha256(str(audio).encode()).hexdigest()[:8]}"
    if any(utterance in item.text for item in sets.values()):
        problem = f"{record.fields['path']!r} is listed twice for this speaker"
        raise _unusable("twice", record, "path", problem, "remove one line")
    chosen = sets[split or split_of(lang, sentence)]
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

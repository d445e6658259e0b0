"""Readers of corpora: their tables, and the files of text that people bring."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from fuzz.target import HARD, Target
from jointst.config import CorpusConfig, TableConfig
from jointst.data.corpora import (
    common_voice,
    festvox_ru,
    fleurs,
    librispeech,
    mls,
    prompts,
    table,
    text_files,
    tuxpaint_stamps,
    voxpopuli,
)
from jointst.data.corpora.grammar import read_grammars
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.manifests import Listed
from jointst.data.corpora.spoken import read_lines
from jointst.kaldi.directory import DataDirectory

PIECES = (
    *HARD, b"clips/a.wav", b"clips\\a.wav", b"~/a.wav", b"file:///a", b"C:\\a.wav", b"http://a/b", b",en,", b",de,",
    b"path", b"sep=;\n", b"[noise]", b"null", b"true", b"[]", b"{}", b"{", b"\\ud800", b"\\u0000", b"1e400", b"clips",
)  # fmt: skip
ROWS = (("clips/a.wav", "Open the door", "anna", "en", "train"), ("clips/b.wav", "Close it", "bert", "en", "dev"))
HEAD = ("path", "text", "speaker", "language", "split")


def _table_seeds(delimiter: str, *encodings: str) -> tuple[bytes, ...]:
    lines = [delimiter.join(row) for row in (HEAD, *ROWS)]
    quoted = [delimiter.join(f'"{field}"' for field in row) for row in (HEAD, *ROWS)]
    return tuple(("\n".join(form) + "\n").encode(encoding) for form in (lines, quoted) for encoding in encodings)


def _table(name: str, content: bytes) -> None:
    """What is prepared can be read again."""
    Path("clips").mkdir()
    for clip in ("a", "b"):
        soundfile.write(f"clips/{clip}.wav", np.full(1600, 0.1), 16000)
    Path(name).write_bytes(content)
    config = CorpusConfig(languages=("en", "de"), most_left_out=0.9, table=TableConfig(files=(name,)))
    for path in table.prepare(config, Path("data"), nj=1):
        DataDirectory.read(path)


def _listed(read: Callable[[Path, Losses], object], name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    losses = Losses("part", Path(name))
    found = read(Path(name), losses)
    for item in found:  # type: ignore[attr-defined]
        assert isinstance(item, Listed)
        str(item.audio)
    assert all(str(loss.fault).startswith(name) for loss in losses.lost)


def _annotations(content: bytes) -> None:
    path = Path("asr_en.tsv.gz")
    path.write_bytes(gzip.compress(content))
    voxpopuli._rows(path)


def _packed_annotations(content: bytes) -> None:
    path = Path("asr_en.tsv.gz")
    path.write_bytes(content)
    voxpopuli._rows(path)


def _text(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    config = CorpusConfig(languages=("en",), text_files=(name,), longest_phrase=20, longest_sentence=100)
    (made,) = text_files.prepare(config, Path("data"), nj=1)
    DataDirectory.read(made)


def _file(read: Callable[[Path], object], name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    read(Path(name))


def _one(seed: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (seed,)


VOX = b"session_id|split|normed_text|speaker_id|start_time|end_time\n2019-a|train|wir sind|9|0.5|1.5\n2019-b|dev||||\n"
JSON = b'{"path": "clips/a.wav", "text": "Open", "speaker": "a", "language": "en"}\n'

TARGETS = [
    Target(
        name="table_csv",
        seeds=lambda: _table_seeds(",", "utf-8", "utf-16") + _table_seeds(";", "utf-8-sig"),
        read=partial(_table, "list.csv"),
        names="list.csv",
        pieces=PIECES,
    ),
    Target(
        name="table_tsv",
        seeds=lambda: _table_seeds("\t", "utf-8", "utf-16"),
        read=partial(_table, "list.tsv"),
        names="list.tsv",
        pieces=PIECES,
    ),
    Target(
        name="table_json",
        seeds=lambda: (JSON + JSON.replace(b"a.wav", b"b.wav"), b"[" + JSON + b"]"),
        read=partial(_table, "list.jsonl"),
        names="list.jsonl",
        pieces=PIECES,
    ),
    Target(
        name="common_voice",
        seeds=_one(b"client_id\tpath\tsentence\tage\nab\ta.mp3\tHello.\t\ncd\tb.mp3\tYes\ttwenties\n"),
        read=partial(_listed, lambda path, losses: common_voice.read_rows(path, Path("clips"), losses), "train.tsv"),
        names="train.tsv",
        pieces=PIECES,
    ),
    Target(
        name="fleurs",
        seeds=_one(b"1\ta.wav\tRaw\traw\tr a w |\t16000\tMALE\n"),
        read=partial(_listed, lambda path, losses: fleurs._read(path.parent, "train", losses), "train.tsv"),
        names="train.tsv",
        pieces=PIECES,
    ),
    Target(
        name="librispeech",
        seeds=_one(b"103-1240-0000 CHAPTER ONE\n103-1240-0001 IT IS\n"),
        read=partial(_listed, librispeech._read, "103-1240.trans.txt"),
        names="103-1240.trans.txt",
        pieces=PIECES,
    ),
    Target(
        name="mls",
        seeds=_one(b"1_2_000001\tund dann\n1_2_000002\tja\n"),
        read=partial(_listed, lambda path, losses: mls._read(path.parent, True, losses), "transcripts.txt"),
        names="transcripts.txt",
        pieces=PIECES,
    ),
    Target(name="voxpopuli", seeds=_one(VOX), read=_annotations, names="asr_en.tsv.gz", pieces=PIECES),
    Target(
        name="voxpopuli_gz",
        seeds=lambda: (gzip.compress(VOX, mtime=0),),
        read=_packed_annotations,
        names="asr_en.tsv.gz",
    ),
    Target(
        name="text_files",
        seeds=_one(b"Open the door, please, and come in.\nTwo sentences\n\n3 cats.\n"),
        read=partial(_text, "en.txt"),
        names="en.txt",
        pieces=PIECES,
    ),
    Target(
        name="text_files_gz",
        seeds=lambda: (gzip.compress(b"Open the door.\n" * 20, mtime=0),),
        read=partial(_text, "en.txt.gz"),
        names="en.txt.gz",
    ),
    Target(
        name="sentences",
        seeds=_one(b"Open the door, please.\nCome in now.\n"),
        read=partial(_file, lambda path: read_lines(path, "en"), "en.txt"),
        names="en.txt",
    ),
    Target(
        name="sentences_gz",
        seeds=lambda: (gzip.compress(b"Open the door.\n" * 20, mtime=0),),
        read=partial(_file, lambda path: read_lines(path, "en"), "en.txt.gz"),
        names="en.txt.gz",
    ),
    Target(
        name="festvox_prompts",
        seeds=lambda: ('( ru_0001 "Она завела." )\n( ru_0002 "Ещё раз!" ) \n'.encode(),),
        read=partial(_file, festvox_ru.read_prompts, "txt.done.data"),
        names="txt.done.data",
        pieces=PIECES,
    ),
    Target(
        name="festvox_labels",
        seeds=_one(b"separator ;\n#\n0.10 125 pau\n0.25 125 s\n"),
        read=partial(_file, festvox_ru.read_labels, "a.lab"),
        names="a.lab",
    ),
    Target(
        name="prompts",
        seeds=lambda: (gzip.compress(b"; comment\nhello-world: Hello world.\nbye: Good bye now.\n", mtime=0),),
        read=partial(_file, lambda path: prompts.read_prompts(path, "en"), "core-sounds-en.txt.gz"),
        names="core-sounds-en.txt.gz",
    ),
    Target(
        name="tuxpaint",
        seeds=_one(b"An owl.\nfr.utf8=Un hibou.\nes.utf8=Un buho\n"),
        read=partial(_file, tuxpaint_stamps.read_texts, "owl.txt"),
        names="owl.txt",
    ),
    Target(
        name="grammar",
        seeds=_one(b"en:\n  classes: {thing: door window}\n  templates: [open the <thing>]\n  unheard: window\n"),
        read=partial(_file, read_grammars, "grammar.yaml"),
        names="grammar.yaml",
    ),
]

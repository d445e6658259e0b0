"""The store of a data directory: found, or written of what the directory holds.

It lies in the folder ``.symbols`` of its data directory, and is named by a digest of what it was made from, so that one
of another text, lexicon, tokenizer or other features is never read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from jointst.common.errors import DataError
from jointst.common.progress import progress
from jointst.data.digests import file_digest
from jointst.data.symbols import Symbols
from jointst.data.text_records import SPEECH, Record, in_blocks, in_order, read_whole, streamed
from jointst.data.text_store import FORMAT, Block, Ragged, Store, open_store, write_store
from jointst.kaldi.directory import frame_count, require_folder
from jointst.kaldi.durations import check_durations, durations_file, parse_durations
from jointst.kaldi.tables import OutOfOrder, require_file

FOLDER = ".symbols"
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)
"""What is said of a data directory in which nothing may be written."""


class NoFeatures(Exception):
    """An utterance of a set of speech has no features."""


def stored(
    folder: Path, symbols: Symbols, *, durations: Path | None = None, threads: int = 1, speech: bool = False
) -> Store:
    """The store of a data directory; it is written where there is none of what the directory holds now.

    Args:
        folder: the data directory.
        symbols: symbol tables.
        durations: folder of the durations of its phones, if the text encoder wants them.
        threads: that tokenize.
        speech: whether it also says where features are.

    Raises:
        DataError: a missing or malformed file, or an utterance without phones or durations that fit.
        NoFeatures: an utterance has none, and they are asked for.
        OSError: the disk is full, or the folder cannot be written.
    """
    kind, key = _key(folder, symbols, durations, speech)
    place = folder / FOLDER / f"{kind}-{key}"
    found = open_store(place)
    if found is not None:
        return found
    if place.exists():
        print(f"{place} is damaged: it is written anew", flush=True)
    found = _write(place, folder, symbols, durations, threads, speech)
    for path in place.parent.glob(f"{kind}-*"):
        if path != place:  # of what the directory held before
            shutil.rmtree(path, ignore_errors=True)
    return found


def _write(place: Path, folder: Path, symbols: Symbols, durations: Path | None, threads: int, speech: bool) -> Store:
    """Write a store from files that are read side by side; where they are not in order, from all they hold."""

    def written(records: Iterator[Record]) -> Store:
        codes: dict[str, int] = {}
        return write_store(place, _blocks(records, folder, symbols, durations, codes, threads, speech), codes)

    try:
        return written(streamed(folder, durations, speech=speech))
    except OutOfOrder:
        return written(read_whole(folder, durations, speech=speech))
    except (DataError, NoFeatures):
        if in_order(folder, durations, speech=speech):
            raise
        return written(read_whole(folder, durations, speech=speech))  # what seemed to be missing stands elsewhere


def _key(folder: Path, symbols: Symbols, durations: Path | None, speech: bool) -> tuple[str, str]:
    """What kind of store it is, and a digest of all it is made from.

    Raises:
        DataError: a file is missing.
    """
    require_folder(folder)
    require_file(folder / "text")
    kind, files = symbols.text_input, [folder / "text", folder / "utt2lang"]
    if symbols.text_input == "phones":
        files.append(folder / "phones")
    if durations is not None:
        files.append(durations_file(durations, folder))
        kind += f"-{hashlib.sha256(str(durations).encode()).hexdigest()[:8]}"
    if speech:
        files += [folder / name for name in SPEECH]
        kind = f"speech-{kind}"
    parts = [file_digest(path) if path.is_file() else "" for path in files]
    text = json.dumps([FORMAT, symbols.digest, parts])
    return kind, hashlib.sha256(text.encode()).hexdigest()[:16]


def _blocks(
    records: Iterator[Record],
    folder: Path,
    symbols: Symbols,
    durations: Path | None,
    codes: dict[str, int],
    threads: int,
    speech: bool,
) -> Iterator[Block]:
    """Records as numbers; languages are numbered as they come."""
    bar: tqdm[None] = progress(desc=f"read {folder.name}", unit="text")
    types = {name: "<u2" if size <= 2**16 else "<i4" for name, size in symbols.sizes.items()}
    with bar:
        for block in in_blocks(records):
            columns = {"names": Ragged.of_texts([record.name for record in block])}
            labels = symbols.tokenizer.encode_all([record.text for record in block], threads)
            inputs = labels
            if symbols.text_input == "phones":
                inputs = [symbols.spelled(record.phones, folder, record.name) for record in block]
                columns["phones"] = Ragged.of(inputs, types["inputs"])
            columns["labels"] = Ragged.of(labels, types["labels"])
            if durations is not None:
                path = durations / folder.name
                counts = [
                    list(check_durations(_parsed(record, path), len(own), path, record.name))
                    for record, own in zip(block, inputs, strict=True)
                ]
                columns["durations"] = Ragged.of(counts, "<i4")
            frames = None
            if speech:
                places, frames = _features(block, folder)
                columns["places"] = Ragged.of_texts(places)
            languages = np.array([codes.setdefault(record.language, len(codes)) for record in block])
            yield Block(columns=columns, languages=languages, frames=frames)
            bar.update(len(block))


def _features(block: Sequence[Record], folder: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Where the features of some utterances are, and how many frames each has.

    Raises:
        NoFeatures: one has none.
        DataError: a number of frames is none.
    """
    places, frames = [], []
    for record in block:
        if record.features is None:
            raise NoFeatures
        place, count = record.features
        places.append(place)
        frames.append(frame_count(folder, record.name, count))
    return places, np.array(frames, dtype=np.int64)


def _parsed(record: Record, path: Path) -> list[int] | None:
    return None if record.durations is None else parse_durations(record.durations, path, record.name)


def open_stores(
    folders: Sequence[Path],
    symbols: Symbols,
    *,
    durations: Path | None = None,
    threads: int = 1,
    speech: bool = False,
) -> list[Store] | None:
    """The stores of some data directories; arguments and exceptions as of :func:`stored`.

    Returns:
        None, with a line that says so, where nothing may be written in a data directory that has no store.
    """
    try:
        return [stored(own, symbols, durations=durations, threads=threads, speech=speech) for own in folders]
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        what = "utterances" if speech else "sentences"
        print(f"{error.filename}: {error.strerror}: {what} are kept in memory instead", flush=True)
        return None

"""The sentences or utterances of one set, in files that all processes map or read: written once, whole or not at all.

A store is a folder. ``header.json`` says how long every other file is; these are arrays, little-endian:

- ``phones.ids``, ``phones.ends``: what the text encoder reads, of all sentences one behind the other, and where those
  of each end; likewise ``labels``, ``names`` (the utterances' ids in UTF-8) and ``durations``;
- ``encoded``: encoder positions of each sentence, where there are durations;
- ``places.ids``, ``places.ends``, ``frames``: of speech, where the features of each are, and how many frames they have;
- ``languages``: the language of each, as its place in the header's list;
- ``members``: the sentences of each language, one language after the other, where there are several.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from jointst.common.errors import DataError
from jointst.common.processes import remove_remains, temporary
from jointst.data.sequences import Sequences

FORMAT = 1
"""Of stores; one of another format is not read."""
HEADER = "header.json"
_CHUNK = 2**20
"""Sentences looked at together."""


@dataclass(frozen=True)
class Ragged:
    """Sequences one behind the other.

    Attributes:
        ids: of all of them.
        lengths: (N,) of each.
    """

    ids: NDArray[np.integer[Any]]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]], dtype: str) -> Ragged:
        """Of lists of whole numbers."""
        lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
        return cls(np.fromiter(chain.from_iterable(sequences), dtype, int(lengths.sum())), lengths)

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Ragged:
        """Of texts, as UTF-8."""
        encoded = [text.encode() for text in texts]
        return cls(np.frombuffer(b"".join(encoded), "u1"), np.fromiter(map(len, encoded), np.int64, len(encoded)))


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some sentences on their way to disk.

    Attributes:
        columns: sequences of each, by name: ``names``, ``phones`` and ``labels``, ``durations`` if there are some, and
            ``places`` of speech.
        languages: (N,) places in the list of languages.
        frames: (N,) of speech.
    """

    columns: dict[str, Ragged]
    languages: NDArray[np.integer[Any]]
    frames: NDArray[np.int64] | None = None


class _Read(Sequences):
    """Sequences of a store: their lengths are looked up where the file is mapped, they themselves are read by place.

    To look up a few numbers here and there in a mapped file is to map a large page of it each time.

    Args:
        folder: of the store.
        name: of the column.
        files: type and length of each file.
        ends: the mapped file of where each ends.
    """

    def __init__(self, folder: Path, name: str, files: Mapping[str, Any], ends: NDArray[np.int64]) -> None:
        dtype, self._length = files[f"{name}.ids"]
        super().__init__(np.empty(0, dtype), ends)
        self._folder = folder
        self._opened = [_descriptor(self, folder / f"{name}.{kind}") for kind in ("ends", "ids")]

    def raw(self, i: int) -> NDArray[np.integer[Any]]:
        """Sequence ``i``, (length,), as it is kept.

        Raises:
            DataError: the files are damaged.
        """
        ends, ids = self._opened
        start, end = _ENDS.unpack(os.pread(ends, _ENDS.size, i * _ENDS.size // 2))
        if not 0 <= start <= end <= self._length:
            raise damaged(self._folder)
        dtype = self._ids.dtype
        return np.frombuffer(os.pread(ids, (end - start) * dtype.itemsize, start * dtype.itemsize), dtype)


_ENDS = Struct("<qq")


def _descriptor(owner: object, path: Path) -> int:
    """A file that is open as long as its owner lives."""
    descriptor = os.open(path, os.O_RDONLY)
    weakref.finalize(owner, os.close, descriptor)
    return descriptor


def damaged(folder: Path) -> DataError:
    """What is said of a store that holds what nobody has written."""
    return DataError("is damaged", path=folder, fix="remove it: it is written anew")


class Store:
    """A store that is complete.

    Args:
        folder: of it.
        header: what ``header.json`` says.

    Attributes:
        folder: as given.
        languages: all of them, by their places.
        longest, lattice: the most phones of a sentence, and the most places of a lattice of one, where each phone is
            one encoder position, or as many as it lasts where there are durations.
        phones, labels, names, durations: by sentence; the last may be None.
        encoded: (N,), may be None.
        places: where features are, in UTF-8, and frames: (N,) of them; of speech, else None.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self.folder = folder
        self._header = header
        self._maps: list[mmap.mmap] = []
        self.languages: list[str] = header["languages"]
        self.longest, self.lattice = int(header["longest"]), int(header["lattice"])
        self.labels, self.names = self._sequences("labels"), self._sequences("names")
        self.phones = self._sequences("phones") if "phones.ids" in header["files"] else self.labels
        durations = "durations.ids" in header["files"]
        self.durations = self._sequences("durations") if durations else None
        self.encoded = self._array("encoded") if durations else None
        speech = "frames" in header["files"]
        self.places = self._sequences("places") if speech else None
        self.frames = self._array("frames") if speech else None
        self._languages = _descriptor(self, folder / "languages")
        self._members = self._array("members") if len(self.languages) > 1 else None

    def __reduce__(self) -> tuple[Any, ...]:
        """The way into another process, which maps the same files."""
        return Store, (self.folder, self._header)

    def __len__(self) -> int:
        return len(self.labels)

    def _array(self, name: str) -> NDArray[Any]:
        dtype, length = self._header["files"][name]
        if length == 0:
            return np.empty(0, dtype)
        with open(self.folder / name, "rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps.append(mapped)
        return np.frombuffer(mapped, dtype, length)

    def _sequences(self, name: str) -> Sequences:
        return _Read(self.folder, name, self._header["files"], self._array(f"{name}.ends"))

    def name(self, i: int) -> str:
        """Id of sentence ``i``."""
        return self.names.raw(i).tobytes().decode()

    def language(self, i: int) -> str:
        """Language of sentence ``i``."""
        return self.languages[int.from_bytes(os.pread(self._languages, 2, 2 * i), "little")]

    def holds(self, name: str) -> bool:
        """Whether there is a sentence of this id; they are in C order."""
        wanted, low, high = name.encode(), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.names.raw(middle).tobytes() < wanted:
                low = middle + 1
            else:
                high = middle
        return low < len(self) and self.names.raw(low).tobytes() == wanted

    def members(self, lang: str) -> NDArray[np.integer[Any]] | None:
        """The sentences of a language; None where that is all of them."""
        if self._members is None:
            return None if lang in self.languages else np.empty(0, np.int64)
        ends = np.cumsum([0, *self._header["members"]])
        at = self.languages.index(lang) if lang in self.languages else None
        return self._members[:0] if at is None else self._members[ends[at] : ends[at + 1]]

    def forget(self) -> None:
        """Give the memory back that pages of mapped files have taken; they come again when they are needed."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def open_store(folder: Path) -> Store | None:
    """The store in a folder, None where there is none, or one that is damaged.

    A folder has its name once all its files are written; a file that has another length was changed since.
    """
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if header["format"] != FORMAT:
            return None
        sizes = {name: np.dtype(dtype).itemsize * length for name, (dtype, length) in header["files"].items()}
        if any((folder / name).stat().st_size != size for name, size in sizes.items()):
            return None
        return Store(folder, header)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None


def write_store(folder: Path, blocks: Iterable[Block], languages: Mapping[str, int]) -> Store:
    """Write a store beside its place, flush it, and put it there.

    Args:
        folder: of the store; one that is there is damaged, and makes room.
        blocks: all sentences, in C order of their ids, as they come; at least one.
        languages: place of each language, all of them once the last block has come.

    Raises:
        OSError: the disk is full or the folder cannot be written, with its path; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_remains(folder.parent)
    unfinished = temporary(folder)
    try:
        unfinished.mkdir()
        header = _write(unfinished, blocks, languages)
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
        try:
            os.rename(unfinished, folder)
        except OSError:
            if open_store(folder) is None:  # another process has made the same one by now
                raise
    except OSError as error:
        error.filename, error.filename2 = str(folder), None  # a full disk does not say where
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Store(folder, header)


def _write(folder: Path, blocks: Iterable[Block], languages: Mapping[str, int]) -> dict[str, Any]:
    longest = lattice = 0
    with ExitStack() as stack:
        files: dict[str, _File] = {}

        def add(name: str, values: NDArray[Any]) -> None:
            if name not in files:
                files[name] = stack.enter_context(_opened(folder / name, values.dtype))
            files[name].add(values)

        for block in blocks:
            for name, column in block.columns.items():
                add(f"{name}.ids", column.ids)
                first = files[f"{name}.ends"].last if f"{name}.ends" in files else None
                if first is None:
                    add(f"{name}.ends", np.zeros(1, "<i8"))
                add(f"{name}.ends", (first or 0) + np.cumsum(column.lengths, dtype="<i8"))
            labels = block.columns["labels"]
            phones = block.columns.get("phones", labels)
            encoded = phones.lengths
            if "durations" in block.columns:
                encoded = _sums(np.maximum(block.columns["durations"].ids, 1), phones.lengths)
                add("encoded", encoded.astype("<i4"))
            if block.frames is not None:
                add("frames", block.frames.astype("<i4"))
            add("languages", block.languages.astype("<u2"))
            longest = max(longest, int(phones.lengths.max()))
            lattice = max(lattice, int((encoded * (labels.lengths + 1)).max()))
    lengths = {name: (file.dtype, file.length) for name, file in files.items()}
    codes = sorted(languages, key=languages.__getitem__)
    members: list[int] = []
    if len(codes) > 1:
        members, lengths["members"] = _write_members(folder, len(codes), lengths["languages"][1])
    header = {
        "format": FORMAT,
        "languages": codes,
        "members": members,
        "longest": longest,
        "lattice": lattice,
        "files": lengths,
    }
    with _opened(folder / HEADER, np.dtype("u1")) as file:
        file.add(np.frombuffer(json.dumps(header, indent=1, ensure_ascii=False).encode(), "u1"))
    return json.loads(json.dumps(header))  # type: ignore[no-any-return]


def _sums(values: NDArray[np.integer[Any]], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum of each of some sequences that stand one behind the other."""
    ends = np.cumsum(lengths)
    summed = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    found: NDArray[np.int64] = summed[ends] - summed[ends - lengths]
    return found


def _write_members(folder: Path, codes: int, count: int) -> tuple[list[int], tuple[str, int]]:
    """Write the sentences of each language; how many each has, and type and length of the file."""
    of = np.memmap(folder / "languages", "<u2", "r")
    found = [0] * codes
    dtype = np.dtype("<u4" if count < 2**32 else "<i8")
    with _opened(folder / "members", dtype) as file:
        for code in range(codes):
            for first in range(0, count, _CHUNK):
                members = first + np.flatnonzero(of[first : first + _CHUNK] == code)
                file.add(members.astype(dtype))
                found[code] += len(members)
    return found, (dtype.str, count)


class _File:
    """A file of one array that grows."""

    def __init__(self, stream: BinaryIO, dtype: np.dtype[Any]) -> None:
        self._stream = stream
        self.dtype = dtype.str
        self.length = 0
        self.last: int | None = None

    def add(self, values: NDArray[Any]) -> None:
        assert values.dtype.str == self.dtype, "all blocks are of one kind"
        if len(values):
            self._stream.write(np.ascontiguousarray(values).data)
            self.last = int(values[-1])
        self.length += len(values)


@contextmanager
def _opened(path: Path, dtype: np.dtype[Any]) -> Iterator[_File]:
    with open(path, "wb") as stream:
        yield _File(stream, dtype)
        stream.flush()
        os.fsync(stream.fileno())

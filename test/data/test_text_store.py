"""Sentences from a store on disk: the same as in memory, whole or not there, never those of other files."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pickle
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from jointst.common.errors import DataError
from jointst.common.processes import HOST
from jointst.config import BatchConfig
from jointst.config.context import Context
from jointst.config.load import from_yaml
from jointst.data import stores, text_records
from jointst.data.batch import TextBatch
from jointst.data.dataset import TextSet, read_directories
from jointst.data.sampler import BucketSampler
from jointst.data.stored_texts import StoredTexts, open_texts
from jointst.data.stores import stored
from jointst.data.symbols import Symbols
from jointst.data.text_store import open_store
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.durations import write_durations
from jointst.models.build import read_symbols

SETS = ("t_train", "t_dev")


@pytest.fixture(autouse=True)
def blocks_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks for a few sentences."""
    monkeypatch.setattr(text_records, "BLOCK", 3)


@pytest.fixture
def toy(packed_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Copies of the toy experiment's data, which is made once."""
    monkeypatch.chdir(tmp_path)
    made = packed_once.parents[2]
    shutil.copytree(made / "data", "data")
    return Context(config=from_yaml(made / "exp/toy/config.yaml"), name="toy")


@pytest.fixture
def symbols(toy: Context) -> Symbols:
    return read_symbols(toy.config, toy.data)


def opened(toy: Context, symbols: Symbols, *sets: str, durations: Path | None = None) -> StoredTexts:
    found = open_texts([toy.data / name for name in sets or SETS], symbols, durations=durations)
    assert found is not None
    return found


def durations(toy: Context, symbols: Symbols) -> Path:
    """Folder of durations 0, 1, 2, 3, 0 and so on of both sets."""
    for directory in read_directories(toy.data, SETS):
        counts = {
            key: [(i + number) % 4 for i in range(len(symbols.inputs(directory, key)))]
            for number, key in enumerate(directory.text)
        }
        write_durations(Path("durations"), directory.path.name, counts)
    return Path("durations")


def same(one: TextBatch, other: TextBatch) -> bool:
    values = [(getattr(one, item.name), getattr(other, item.name)) for item in dataclasses.fields(TextBatch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in values)


def check_same(texts: StoredTexts, held: TextSet) -> None:
    """All that is asked of sentences is what sentences in memory say."""
    count = len(held.utterances)
    assert len(texts) == len(texts.utterances) == count
    assert list(texts.utterances) == held.utterances
    assert texts.utterances[1:3] == held.utterances[1:3]
    some = np.random.default_rng(0).permutation(count)[: count // 2]
    assert same(texts.batch(some.tolist()), held.batch(some.tolist()))
    for repeats in (1, 3):
        sizes, own = texts.sizes(repeats), held.sizes(repeats)
        assert (sizes.longest, sizes.lattice, len(sizes)) == (own.longest, own.lattice, count)
        for indices in (np.arange(count), some):
            taken, expected = sizes.take(indices), own.take(indices)
            assert all(
                getattr(taken, kind).tolist() == getattr(expected, kind).tolist()
                for kind in ("positions", "encoded", "labels")
            )
    assert [group[np.arange(len(group))].tolist() for group in texts.groups] == [own.tolist() for own in held.groups]


@pytest.mark.parametrize("kind", ["phones", "pieces", "durations"])
def test_a_store_says_what_memory_says(kind: str, toy: Context, symbols: Symbols) -> None:
    if kind == "pieces":
        symbols = dataclasses.replace(symbols, text_input="pieces")
    folder = durations(toy, symbols) if kind == "durations" else None
    texts = opened(toy, symbols, durations=folder)
    check_same(texts, TextSet(read_directories(toy.data, SETS), symbols, durations=folder))
    bounds = BatchConfig(max_utterances=3)
    held = TextSet(read_directories(toy.data, SETS), symbols, durations=folder)
    for temperature in (1.0, 3.0):
        one, other = (
            BucketSampler(own.utterances, own.sizes(2), bounds, seed=1, groups=own.groups, temperature=temperature)
            for own in (texts, held)
        )
        assert [one.batch(i).tolist() for i in range(30)] == [other.batch(i).tolist() for i in range(30)]


def without_languages(path: Path) -> None:
    (path / "utt2lang").unlink()


def some_without_language(path: Path) -> None:
    lines = (path / "utt2lang").read_text().splitlines(keepends=True)
    (path / "utt2lang").write_text("".join(lines[1::2]))


def out_of_order(path: Path) -> None:
    for name in ("text", "phones"):
        lines = (path / name).read_text().splitlines(keepends=True)
        (path / name).write_text("".join(lines[::-1]))


def phones_out_of_order(path: Path) -> None:
    lines = (path / "phones").read_text().splitlines(keepends=True)
    (path / "phones").write_text("".join([*lines[5:], *lines[:5]]))


def more_phones_than_sentences(path: Path) -> None:
    lines = (path / "phones").read_text()
    (path / "phones").write_text(f"aa a a\n{lines}zz b\n")


def tabs(path: Path) -> None:
    text = (path / "text").read_text()
    (path / "text").write_text("".join(line.replace(" ", "\t", 1) + "\n" for line in text.splitlines()))


def one_sentence(path: Path) -> None:
    (path / "text").write_text((path / "text").read_text().splitlines()[0] + "\n")


def no_last_line_feed(path: Path) -> None:
    (path / "text").write_text((path / "text").read_text().rstrip("\n"))


@pytest.mark.parametrize(
    "change",
    [
        without_languages,
        some_without_language,
        out_of_order,
        phones_out_of_order,
        more_phones_than_sentences,
        tabs,
        one_sentence,
        no_last_line_feed,
    ],
)
def test_whatever_is_read_in_memory_is_read_from_a_store(
    change: Callable[[Path], None], toy: Context, symbols: Symbols
) -> None:
    change(toy.data / "t_train")
    check_same(opened(toy, symbols), TextSet(read_directories(toy.data, SETS), symbols))


@pytest.mark.parametrize("other", ["t_more", "t_dev/t_train"])
def test_ids_of_two_sets_are_told_apart(other: str, toy: Context, symbols: Symbols) -> None:
    """As :class:`Names` does, also where two sets end alike; ids of one set alone stay as they are."""
    train = DataDirectory.read(toy.data / "t_train")
    part = train.subset(train.utterances[2:6])
    part.write(toy.data / other)
    sets = ("t_train", "t_dev", other)
    texts = opened(toy, symbols, *sets)
    assert sum("/" in name for name in texts.utterances) == 8
    check_same(texts, TextSet(read_directories(toy.data, sets), symbols))


def line(file: str, number: int, content: bytes) -> Callable[[Path], None]:
    """Replaces a line of a file, counted from 1."""

    def change(path: Path) -> None:
        lines = (path / file).read_bytes().splitlines(keepends=True)
        lines[number - 1] = content
        (path / file).write_bytes(b"".join(lines))

    return change


def remove(file: str) -> Callable[[Path], None]:
    return lambda path: (path / file).unlink()


def repeat(file: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        lines = (path / file).read_text().splitlines(keepends=True)
        (path / file).write_text("".join([*lines[:4], *lines[3:]]))

    return change


FAULTS: dict[str, Callable[[Path], None]] = {
    "no folder": shutil.rmtree,
    "no text": remove("text"),
    "no sentence": lambda path: (path / "text").write_text(""),
    "no phones": remove("phones"),
    "phones of one missing": line("phones", 3, b""),
    "phones of one empty": lambda path: line("phones", 3, (path / "phones").read_bytes().split(b"\n")[2][:7] + b"\n")(
        path
    ),
    "bad UTF-8": line("text", 4, b"zz \xff\n"),
    "blank line": line("utt2lang", 2, b"\n"),
    "language missing": line("utt2lang", 2, b"en_v1-1\n"),
    "zero byte": line("phones", 2, b"en_v1-1 a\0b\n"),
    "carriage return": line("text", 2, b"en_v1-1 a\r\n"),
    "byte order mark": lambda path: (path / "text").write_bytes(b"\xef\xbb\xbf" + (path / "text").read_bytes()),
    "key twice": repeat("text"),
    "line twice": repeat("phones"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_as_in_memory(fault: str, toy: Context, symbols: Symbols) -> None:
    FAULTS[fault](toy.data / "t_dev")
    with pytest.raises(DataError) as expected:
        TextSet(read_directories(toy.data, SETS), symbols)
    with pytest.raises(DataError) as found:
        opened(toy, symbols)
    assert str(found.value) == str(expected.value)
    assert not list(toy.data.glob("t_dev/.symbols/*")), "nothing half-written"


DURATION_FAULTS: dict[str, Callable[[Path], None]] = {
    "no file": remove("t_dev"),
    "none of one": line("t_dev", 2, b""),
    "too few": line("t_dev", 1, b"ar_v2-2 1 2\n"),
    "no numbers": line("t_dev", 1, b"ar_v2-2 one\n"),
}


@pytest.mark.parametrize("fault", DURATION_FAULTS)
def test_faults_of_durations_are_named_as_in_memory(fault: str, toy: Context, symbols: Symbols) -> None:
    folder = durations(toy, symbols)
    DURATION_FAULTS[fault](folder)
    with pytest.raises(DataError) as expected:
        TextSet(read_directories(toy.data, SETS), symbols, durations=folder)
    with pytest.raises(DataError) as found:
        opened(toy, symbols, durations=folder)
    assert str(found.value) == str(expected.value)


def places(toy: Context) -> list[Path]:
    return sorted(toy.data.glob("t_train/.symbols/*"))


def test_it_is_written_once(toy: Context, symbols: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(toy, symbols)
    monkeypatch.setattr(stores, "write_store", None)
    opened(toy, symbols)
    os.utime(toy.data / "t_train/text")
    opened(toy, symbols)


CHANGES: dict[str, Callable[[Path], None]] = {
    "text": lambda data: line("text", 1, b"ar_v0-0 \xd8\xa8\n")(data / "t_train"),
    "phones": lambda data: line("phones", 1, "ar_v0-0 ب ا\n".encode())(data / "t_train"),
    "languages": lambda data: line("utt2lang", 1, b"ar_v0-0 de\n")(data / "t_train"),
    "no languages": lambda data: without_languages(data / "t_train"),
    "phone table": lambda data: (data / "lang/phones.txt").write_text(
        "<pad> 0\n<unk> 1\n<mask> 2\n" + "".join(f"{phone} {i + 3}\n" for i, phone in enumerate("zyxwvedcba"))
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_store_of_what_was_before_is_never_read(change: str, toy: Context, symbols: Symbols) -> None:
    opened(toy, symbols)
    before = places(toy)
    CHANGES[change](toy.data)
    symbols = read_symbols(toy.config, toy.data)
    check_same(opened(toy, symbols), TextSet(read_directories(toy.data, SETS), symbols))
    assert len(places(toy)) == 1, "and makes room"
    assert places(toy) != before


def test_stores_of_other_kinds_stay(toy: Context, symbols: Symbols) -> None:
    folder = durations(toy, symbols)
    pieces = dataclasses.replace(symbols, text_input="pieces")
    for _ in range(2):
        for own, known in ((symbols, None), (pieces, None), (symbols, folder)):
            check_same(
                opened(toy, own, durations=known), TextSet(read_directories(toy.data, SETS), own, durations=known)
            )
    assert len(places(toy)) == 3


def cut_short(file: str) -> Callable[[Path], None]:
    return lambda place: os.truncate(place / file, (place / file).stat().st_size - 1)


def lengthened(place: Path) -> None:
    with open(place / "labels.ids", "ab") as stream:
        stream.write(b"\0\0")


DAMAGES: dict[str, Callable[[Path], None]] = {
    **{f"{name} cut short": cut_short(name) for name in ("phones.ids", "phones.ends", "labels.ids", "names.ids")},
    **{f"{name} cut short": cut_short(name) for name in ("languages", "members", "header.json")},
    "file gone": remove("labels.ends"),
    "header gone": remove("header.json"),
    "header of another format": lambda place: (place / "header.json").write_text(
        json.dumps({**json.loads((place / "header.json").read_text()), "format": 99})
    ),
    "header of something else": lambda place: (place / "header.json").write_text("[1]"),
    "header without a list of files": lambda place: (place / "header.json").write_text('{"format": 1, "files": "x"}'),
    "too long": lengthened,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_written_anew(
    damage: str, toy: Context, symbols: Symbols, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(toy, symbols)
    (place,) = places(toy)
    DAMAGES[damage](place)
    assert open_store(place) is None
    check_same(opened(toy, symbols), TextSet(read_directories(toy.data, SETS), symbols))
    assert f"{place} is damaged: it is written anew" in capsys.readouterr().out


@pytest.mark.parametrize("column", ["phones.ids", "labels.ids"])
def test_numbers_that_no_table_has_are_refused(column: str, toy: Context, symbols: Symbols) -> None:
    texts = opened(toy, symbols)
    (place,) = places(toy)
    with open(place / column, "r+b") as stream:
        stream.write(b"\xff\xff")
    with pytest.raises(DataError, match=r"t_train/\.symbols/\S+: is damaged \(remove it"):
        texts.batch([0, 1])


@pytest.mark.parametrize("place", [b"\xff" * 8, b"\0" * 7 + b"\1", b"\x05" + b"\0" * 7])
def test_places_that_no_file_has_are_refused(place: bytes, toy: Context, symbols: Symbols) -> None:
    """The first sentence would begin before the file, behind it, or after its end."""
    texts = opened(toy, symbols)
    with open(places(toy)[0] / "labels.ends", "r+b") as stream:
        stream.write(place)
        stream.write(b"\x04")
    with pytest.raises(DataError, match=r"t_train/\.symbols/\S+: is damaged \(remove it"):
        texts.batch([0])


@contextmanager
def full(size: int) -> Iterator[None]:
    """No file of this process grows over a number of bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 8, 30, 100])
def test_a_full_disk_leaves_nothing(size: int, toy: Context, symbols: Symbols) -> None:
    with full(size), pytest.raises(OSError, match=r"t_train/\.symbols/phones-") as found:
        opened(toy, symbols)
    assert found.value.errno == errno.EFBIG
    assert places(toy) == []
    check_same(opened(toy, symbols), TextSet(read_directories(toy.data, SETS), symbols))


def test_remains_of_a_killed_run_make_room(toy: Context, symbols: Symbols) -> None:
    folder = toy.data / f"t_train/.symbols/.phones-0123456789abcdef.{HOST}-999999.tmp"
    folder.mkdir(parents=True)
    (folder / "labels.ids").write_bytes(b"half")
    opened(toy, symbols)
    assert not folder.exists()


def test_two_that_write_at_once_have_the_same(toy: Context, symbols: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is ready first."""
    rename = os.rename

    def slow(source: Path, target: Path) -> None:
        shutil.copytree(source, target, dirs_exist_ok=True)
        rename(source, target)

    monkeypatch.setattr(os, "rename", slow)
    check_same(opened(toy, symbols), TextSet(read_directories(toy.data, SETS), symbols))
    assert not list(toy.data.glob("*/.symbols/.*"))


def test_a_folder_that_nobody_may_write_in(
    toy: Context, symbols: Symbols, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refused)
        assert open_texts([toy.data / "t_train"], symbols) is None
    assert "t_train/.symbols: Permission denied: sentences are kept in memory instead\n" in capsys.readouterr().out
    opened(toy, symbols)
    monkeypatch.setattr(Path, "mkdir", refused)
    opened(toy, symbols)


def test_another_process_maps_the_same_files(toy: Context, symbols: Symbols) -> None:
    texts = opened(toy, symbols)
    sent = pickle.dumps(texts._stores)
    assert len(sent) < 5000, "paths, no sentences"
    moved = StoredTexts([toy.data / name for name in SETS], pickle.loads(sent), symbols)
    check_same(moved, TextSet(read_directories(toy.data, SETS), symbols))


def test_large_numbers_take_four_bytes(toy: Context, symbols: Symbols, monkeypatch: pytest.MonkeyPatch) -> None:
    def types(place: Path) -> set[str]:
        files = json.loads((place / "header.json").read_text())["files"]
        return {files[f"{name}.ids"][0] for name in ("phones", "labels")}

    place = stored(toy.data / "t_train", symbols).folder
    assert types(place) == {"<u2"}
    shutil.rmtree(place)
    monkeypatch.setattr(Symbols, "sizes", {"inputs": 2**16 + 1, "labels": 2**16 + 1})
    check_same(opened(toy, symbols), TextSet(read_directories(toy.data, SETS), symbols))
    assert types(place) == {"<i4"}

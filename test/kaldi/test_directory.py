"""Kaldi tables and directories: what is written is read back, and every malformed line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from jointst.common.errors import DataError
from jointst.kaldi.directory import DataDirectory, Segment, invert
from jointst.kaldi.tables import read_table, scan_table, write_table


def test_table_is_sorted_by_bytes_and_read_back(tmp_path: Path) -> None:
    # By bytes upper case comes before lower case, and U+FF5E before U+1F600 (UTF-16 would have it the other way).
    mapping = {"b": "2", "A": "1", "\U0001f600": "5", "\uff5e": "4", "ä": "3 \u2028 still one line", "a": "x"}
    write_table(tmp_path / "t", mapping)
    assert (tmp_path / "t").read_bytes().startswith(b"A 1\na x\nb 2\n")
    assert list(read_table(tmp_path / "t")) == ["A", "a", "b", "ä", "\uff5e", "\U0001f600"]
    assert read_table(tmp_path / "t") == mapping


def test_key_alone_is_an_empty_text_only(tmp_path: Path) -> None:
    write_table(tmp_path / "text", {"a": "", "b": "x"})
    assert (tmp_path / "text").read_text() == "a\nb x\n"
    assert read_table(tmp_path / "text") == {"a": "", "b": "x"}
    (tmp_path / "utt2spk").write_text("a\n")
    with pytest.raises(DataError, match=r"utt2spk:1 utterance a: has a key and no value"):
        read_table(tmp_path / "utt2spk")


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"a 1\na 2\n", 2, "is on line 1 already"),
        (b"a 1\n\nb 2\n", 2, "is empty"),
        (b"a 1\n b 2\n", 2, "begins with a space"),
        (b"a 1\nb \xff\n", 2, "is not UTF-8"),
        (b"\xef\xbb\xbfa 1\n", 1, "byte order mark"),
        (b"a 1\r\n", 1, "carriage return"),
        (b"a 1\nb \0\n", 2, "zero byte"),
        (b"a 1\nb \n", 2, "no value"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, content: bytes, line: int, problem: str) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_table(tmp_path / "t")
    assert caught.value.line == line
    assert caught.value.fix


def test_scan_collects_every_fault(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a 1\n\nb\tx\na 3\nc")
    table = scan_table(tmp_path / "t")
    assert table.entries == {"a": "1", "b": "x"}
    assert table.lines == {"a": 1, "b": 3}
    assert [fault.line for fault in table.faults] == [2, 4, 5]


@pytest.mark.parametrize(("key", "value"), [("a b", "x"), ("", "x"), ("a", "x\ny"), ("a\u3000b", "x")])
def test_table_refuses_what_a_line_cannot_hold(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(DataError):
        write_table(tmp_path / "t", {key: value})
    assert not (tmp_path / "t").exists()


def full(path: Path) -> DataDirectory:
    return DataDirectory(
        path,
        text={"s-1": "one", "s-2": "two", "t-1": "three"},
        utt2spk={"s-1": "s", "s-2": "s", "t-1": "t"},
        utt2lang={"s-1": "en", "s-2": "fr", "t-1": "en"},
        wav_scp={"r": "r.wav", "q": "q.wav"},
        segments={
            "s-1": Segment("r", 0.0, 1.25),
            "s-2": Segment("r", 1234.5678, 1240.0),
            "t-1": Segment("q", 0.5, -1.0),
        },
        utt2num_frames={"s-1": 123, "s-2": 5, "t-1": 6},
        phones={"s-1": "w ʌ n", "s-2": "", "t-1": "θ ɹ iː"},
    )


def test_directory_is_read_back(tmp_path: Path) -> None:
    written = full(tmp_path / "a").write(tmp_path / "a")
    assert DataDirectory.read(tmp_path / "a") == written
    assert (tmp_path / "a" / "spk2utt").read_text() == "s s-1 s-2\nt t-1\n"
    assert written.languages == ["en", "fr"]
    assert written.has_audio


def test_writing_over_removes_tables_of_before(tmp_path: Path) -> None:
    full(tmp_path).write(tmp_path)
    DataDirectory(tmp_path, {"x": "text only"}, utt2lang={"x": "en"}).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text", "utt2lang"]


def test_subset_keeps_needed_recordings(tmp_path: Path) -> None:
    part = full(tmp_path).subset(["t-1"])
    assert part.wav_scp == {"q": "q.wav"}
    assert part.utterances == ["t-1"]
    assert part.segments == {"t-1": Segment("q", 0.5, -1.0)}
    with pytest.raises(DataError, match="utterance u: is not in this set"):
        full(tmp_path).subset(["u"])


def test_missing_and_empty_sets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such data directory"):
        DataDirectory.read(tmp_path / "none")
    with pytest.raises(DataError, match=r"text: is missing"):
        DataDirectory.read(tmp_path)
    (tmp_path / "text").write_text("")
    with pytest.raises(DataError, match="an empty set"):
        DataDirectory.read(tmp_path)


@pytest.mark.parametrize("value", ["r 0", "r 1 1", "r -1 2", "r a b", "r 0 1 2", "r 2 1", "r nan 1"])
def test_bad_segment(tmp_path: Path, value: str) -> None:
    (tmp_path / "text").write_text("a x\n")
    (tmp_path / "segments").write_text(f"a {value}\n")
    with pytest.raises(DataError, match="utterance a.*is not a segment"):
        DataDirectory.read(tmp_path)


def test_invert() -> None:
    assert invert({"b-2": "b", "a-1": "a", "b-1": "b"}) == {"a": "a-1", "b": "b-1 b-2"}

"""The user's own files of sentences: plain, gzip, split over jobs, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from jointst.common.errors import ConfigError, DataError
from jointst.config import Config, CorpusConfig, DataConfig
from jointst.config.context import Context
from jointst.data import corpora
from jointst.data.corpora import text_files
from jointst.kaldi.directory import DataDirectory


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two German files, one of them gzip, and an English one."""
    monkeypatch.chdir(tmp_path)
    for lang in ("de", "en"):
        Path(lang).mkdir()
    Path("de/a.txt").write_text("Zwei Türen!\nЭто не так.\n\nthe same words\nDas ist ein Test.\n" + "x" * 301 + "\n")
    with gzip.open("de/b.txt.gz", "wt", encoding="utf-8") as stream:
        stream.write("\ufeffIch habe 2 Katzen.\nzwei türen")
    Path("en/a.txt").write_text("The same words.\n")


def prepare(**settings: object) -> DataDirectory:
    settings = {"text_files": ("{lang}/*",), "languages": ("de", "en"), **settings}
    (made,) = text_files.prepare(CorpusConfig(**settings), Path("data"), nj=1)  # type: ignore[arg-type]
    return DataDirectory.read(made)


def test_plain_and_gzip_files_are_normalised_and_filtered() -> None:
    DataDirectory(Path("t"), {"a": "das ist ein test"}, utt2lang={"a": "de"}).write(Path("data/own_test"))
    made = prepare()
    assert sorted(made.text.values()) == ["ich habe zwei katzen", "the same words", "zwei türen"]
    assert made.languages == ["de", "en"]
    rows = [line.split("\t") for line in (made.path / "left_out.tsv").read_text().splitlines()]
    assert rows[1] == ["de", "8", "2", "1", "2", "1", "1", "1", "0", "0", "0"]
    assert rows[2] == ["en", "1", "1", "0", "0", "0", "0", "0", "0", "0", "0"]


@pytest.mark.parametrize("size", [1, 7, 20, 64])
def test_every_line_belongs_to_one_job(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepare()
    report = (whole.path / "left_out.tsv").read_text()
    monkeypatch.setattr(text_files, "JOB_BYTES", size)
    assert prepare() == whole
    assert (whole.path / "left_out.tsv").read_text() == report


def test_a_line_that_is_not_utf8_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("de/a.txt").write_bytes(b"eins\nzwei\ndie Stra\xdfe ist sch\xf6n\nvier\n")
    monkeypatch.setattr(text_files, "JOB_BYTES", 8)
    command = "iconv -f CP1252 -t UTF-8 de/a.txt > de/a.txt.utf8"
    with pytest.raises(DataError, match=rf"a\.txt:3: is not UTF-8 at byte 8 \(.*CP1252: {command}"):
        prepare()


@pytest.mark.parametrize("content", [b"eins\nzw\0ei\n", "eins zwei\n".encode("utf-16-le")])
def test_zero_bytes_are_refused(content: bytes) -> None:
    Path("de/a.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.txt:\d: holds a zero byte"):
        prepare()


def test_marks_of_transcribers_are_left_out_and_counted() -> None:
    Path("de/a.txt").write_text("[Lachen] ja das geht (unverständlich)\n#hm# gut so\n")
    made = prepare(languages=("de",), text_files=("{lang}/a.txt",), transcriber_marks=("#hm#",))
    assert sorted(made.text.values()) == ["gut so", "ja das geht"]
    assert (made.path / "left_out.tsv").read_text().splitlines()[1].split("\t")[-1] == "3"


def test_text_that_was_read_as_another_encoding_is_left_out() -> None:
    Path("de/a.txt").write_text("die straÃŸe dort\nüber den wolken\n")
    made = prepare(languages=("de",), text_files=("{lang}/a.txt",))
    assert list(made.text.values()) == ["über den wolken"]
    Path("de/a.txt").write_text("die straÃŸe dort\n")
    with pytest.raises(DataError, match=r"left out: encoding 1\) \(it was UTF-8"):
        prepare(languages=("de",), text_files=("{lang}/a.txt",))


def test_refused_files() -> None:
    with pytest.raises(ConfigError, match="no file for the language de.*no file is called none/de"):
        prepare(text_files=("none/{lang}",))
    with pytest.raises(ConfigError, match="does not say its language"):
        prepare(text_files=("de/a.txt",))
    with pytest.raises(ConfigError, match="name your files"):
        prepare(text_files=())
    Path("de/b.txt.gz").write_bytes(Path("de/b.txt.gz").read_bytes()[:30])
    with pytest.raises(DataError, match=r"b\.txt\.gz: is not whole gzip"):
        prepare()
    Path("en/a.txt").write_text("Это не так.\n")
    with pytest.raises(DataError, match=r"no sentence is usable \(en: 0 of 1 sentences; left out: script 1\)"):
        prepare(languages=("en",))


def test_damaged_gzip_is_named() -> None:
    content = bytearray(gzip.compress(b"".join(b"%d " % number for number in range(20000))))
    content[len(content) // 2] ^= 0xFF
    Path("de/b.txt.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"b\.txt\.gz: is not whole gzip"):
        prepare()


@pytest.mark.parametrize("size", [64, text_files.JOB_BYTES])
def test_a_line_without_end_is_never_read_whole(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "JOB_BYTES", size)
    monkeypatch.setattr(text_files, "LINE_BYTES", 40)
    monkeypatch.setattr(text_files, "BYTES", 1)
    Path("de/a.txt").write_text("eins\n" + "lang " * 400 + "\nzwei\n" + "x" * 500)
    Path("de/b.txt.gz").unlink()
    seen: list[int] = []
    normalise_lines = text_files._lines
    monkeypatch.setattr(
        text_files,
        "_lines",
        lambda job: (seen.append(len(line)) or line for line in normalise_lines(job)),  # type: ignore[func-returns-value]
    )
    made = prepare(languages=("de",))
    assert sorted(made.text.values()) == ["eins", "zwei"]
    assert (made.path / "left_out.tsv").read_text().splitlines()[1].split("\t")[1:5] == ["4", "2", "0", "2"]
    assert max(seen) <= 300


def test_the_stage_runs_again_when_a_file_changes() -> None:
    for name in ("own_train", "own_dev", "own_test"):
        DataDirectory(Path(name), {"a": f"text of {name}"}, utt2lang={"a": "de"}).write(Path("data") / name)
    sets = DataConfig(train=("own_train",), dev=("own_dev",), test=("own_test",), unpaired=("text_files_unpaired",))
    config = CorpusConfig(sources=("text_files",), languages=("en",), text_files=("en/*",))
    context = Context(config=Config(data=sets, corpus=config), name="t", nj=1)
    corpora.run(context)
    text = Path("data/text_files_unpaired/text")
    first = text.stat().st_mtime_ns
    corpora.run(context)
    assert text.stat().st_mtime_ns == first
    Path("en/a.txt").write_text("Other words.\nMore words.\n")
    corpora.run(context)
    assert len(text.read_text().splitlines()) == 2


@pytest.mark.parametrize("pattern", ["text [1]/{lang}.txt", "text [1]/*.txt", "text [1]/[de]?.txt", "**/de.txt"])
def test_brackets_in_names_stand_for_themselves(pattern: str) -> None:
    Path("text [1]").mkdir()
    Path("text [1]/de.txt").write_text("Ein Satz.\n")
    Path("text 1").mkdir()
    Path("text 1/de.txt").write_text("Ein anderer.\n")
    found = text_files.files_of(CorpusConfig(languages=("de",), text_files=(pattern,)), "de")
    assert Path("text [1]/de.txt") in found
    assert (Path("text 1/de.txt") in found) == pattern.startswith("**")


def test_a_file_called_as_a_pattern_is_itself() -> None:
    Path("a*.txt").write_text("Ein Satz.\n")
    Path("ab.txt").write_text("Ein anderer.\n")
    config = CorpusConfig(languages=("de",), text_files=("a*.txt", "~/[x].txt"))
    assert text_files.files_of(config, "de") == [Path("a*.txt")]

"""The user's own table: what it makes, and that every fault names file, line, column and fix."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.config import CorpusConfig, TableConfig
from jointst.data.audio import load_audio
from jointst.data.corpora import table
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.table_files import COLUMNS, read
from jointst.data.directory import DataDirectory
from jointst.errors import ConfigError, DataError

ROWS = [
    ("clips/a.wav", "Open the door, please.", "anna b", "en", "train"),
    ("clips/b-1.wav", "Das ist ein Satz.", "bernd", "de", "dev"),
    ("clips/c.wav", 'He said "no", twice.', "anna b", "EN", "test"),
]


@pytest.fixture(autouse=True)
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real recordings in a folder that is not the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("corpus/clips").mkdir(parents=True)
    for name in ("a", "b-1", "c"):
        samples = np.sin(np.arange(4000) * 0.1).astype(np.float32) * 0.5
        soundfile.write(f"corpus/clips/{name}.wav", samples, 16000)


def prepare(content: str, name: str = "corpus/list.csv", **settings: bool) -> dict[str, DataDirectory]:
    Path(name).write_text(content, encoding="utf-8")
    config = CorpusConfig(languages=("de", "en"), table=TableConfig(files=(name,), **settings))
    return {path.name: DataDirectory.read(path) for path in table.prepare(config, Path("data"), nj=1)}


def as_csv() -> str:
    return "\ufeffpath,text,speaker,language,split\n" + "".join(
        ",".join('"{}"'.format(field.replace('"', '""')) for field in row) + "\n" for row in ROWS
    )


def as_tsv() -> str:
    return "language\tspeaker\tage\ttext\tpath\tsplit\n" + "".join(
        f"{lang}\t{speaker}\t30\t{text}\t{path}\t{split}\n" for path, text, speaker, lang, split in ROWS
    )


def as_json() -> str:
    return "\n".join(json.dumps(dict(zip((*COLUMNS, "split"), row))) for row in ROWS) + "\n\n"


@pytest.mark.parametrize(("name", "make"), [("list.csv", as_csv), ("list.tsv", as_tsv), ("list.jsonl", as_json)])
def test_all_kinds_make_the_same_sets(name: str, make: object) -> None:
    made = prepare(make(), f"corpus/{name}")  # type: ignore[operator]
    assert sorted(made) == ["table_dev", "table_test", "table_train"]
    assert list(made["table_train"].text.values()) == ["open the door please"]
    assert list(made["table_test"].text.values()) == ["he said no twice"]
    assert list(made["table_dev"].utt2lang.values()) == ["de"]
    assert set(made["table_train"].utt2spk.values()) == {"anna_b"}
    (utterance,) = made["table_dev"].text
    assert utterance.startswith("bernd-b_1-")
    assert len(load_audio(made["table_dev"].wav_scp[utterance], None, 16000)) == 4000


def test_without_split_equal_sentences_are_in_one_set() -> None:
    rows = "".join(f"clips/{name}.wav,the same words,{name},en\n" for name in ("a", "b-1", "c"))
    made = prepare("path,text,speaker,language\n" + rows)
    assert [len(item.text) for item in made.values()] == [3]


def test_text_may_be_left_as_it_is() -> None:
    made = prepare("path,text,speaker,language,split\nclips/a.wav,Straße 5,x,de,train\n", normalise=False)
    assert list(made["table_train"].text.values()) == ["Straße 5"]


HEAD = "path,text,speaker,language,split\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,text,speaker\na,b,c\n", r"list\.csv:1: no column language, only path text speaker"),
        ("path,path,text,speaker,language\n", r"list\.csv:1: column path twice"),
        (HEAD, r"list\.csv: has no recordings"),
        ("", r"list\.csv: has no recordings"),
        (HEAD + "\nclips/a.wav,one, two,x,en,train\n", r"list\.csv:3: 6 fields, the heading has 5 \(quote fields"),
        (HEAD + 'clips/a.wav,"one,x,en,train\n', r"list\.csv:2: is not CSV: .*doubled"),
        (HEAD + "clips/a.wav,one,x,en,train\nno.wav,one,x,en,\n", r"list\.csv:3: column path: .*corpus/no\.wav"),
        (HEAD + "clips/a.wav,...,x,en,train\n", r"list\.csv:2: column text: '\.\.\.' holds no words"),
        (HEAD + "clips/a.wav,one,,en,train\n", r"list\.csv:2: column speaker: is empty"),
        (HEAD + "clips/a.wav,one,x,English,train\n", r"list\.csv:2: column language: 'English' is unknown \(one of ar"),
        (HEAD + "clips/a.wav,one,x,en-US,train\n", r"column language: 'en-US' is unknown \(write en\)"),
        (HEAD + "clips/a.wav,one,x,zh_CN,train\n", r"column language: 'zh_CN' is unknown \(write zh\)"),
        (HEAD.replace(",", "/"), r"list\.csv:1: no column path text speaker language, only path/text/speaker"),
        (HEAD.replace("text", "Sentence").replace("path", "file"), r"rename the column file to path, sentence to text"),
        ("<!DOCTYPE html>\n<html>", r"list\.csv: is a web page \(download the file itself\)"),
        ("PK\x03\x04", r"list\.csv: is a workbook of a spreadsheet, whatever its name \(save it as CSV UTF-8\)"),
        ("p\0a\0t\0h\0", r"list\.csv:1: holds zero bytes: it is in UTF-16, or no text"),
        (HEAD + "clips/a.wav,one,x,ru,train\n", r"column language: 'ru' is not in corpus\.languages"),
        (HEAD + "clips/a.wav,one,x,en,valid\n", r"column split: 'valid' is unknown \(one of train dev test, or"),
        (
            HEAD + "clips/a.wav,one,x-1,en,\nclips/c.wav,two,x_1,en,\n",
            r"csv:3: column speaker: 'x_1' and 'x-1' have one id",
        ),
        (HEAD + "clips/a.wav,one,x,en,\nclips/a.wav,one,x,en,\n", r"list\.csv:3: column path: .* is listed twice"),
    ],
)
def test_faults_in_columns(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(content)


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.jsonl"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_line_feeds_end_lines(name: str, end: str) -> None:
    fields = ("clips/a.wav", "one\u2028two\x0bthree\x85four", "x", "en", "train")
    content = (HEAD + ",".join(fields) + "\n").replace(",", "\t" if name.endswith("tsv") else ",")
    if name.endswith("jsonl"):
        content = json.dumps(dict(zip((*COLUMNS, "split"), fields)), ensure_ascii=False) + "\n"
    made = prepare(content.replace("\n", end), f"corpus/{name}")
    assert list(made["table_train"].text.values()) == ["one two three four"]


def test_a_set_of_an_earlier_table_is_gone() -> None:
    rows = HEAD + "clips/a.wav,one,x,en,train\n"
    prepare(rows + "clips/c.wav,two,y,en,test\n")
    assert Path("data/table_test/text").is_file()
    prepare(rows)
    assert not Path("data/table_test/text").exists()


def test_every_fault_is_reported() -> None:
    with pytest.raises(DataError) as caught:
        prepare(HEAD + "".join(f"no{number}.wav,one,x,en,\n" for number in range(12)))
    lines = str(caught.value).splitlines()
    assert lines[0] == "corpus/list.csv: 12 of 12 transcripts of the table cannot be used (audio-missing 12):"
    assert lines[1].startswith("corpus/list.csv:2: column path: there is no file 'corpus/no0.wav'")
    assert lines[-2] == "and 2 more, all in data/left_out_table.tsv"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"path": "a"\n', r"list\.jsonl:1: is not JSON: .* at character"),
        ("[1]\n", r"list\.jsonl:1: holds no object"),
        (
            '{"path": "a", "text": ["b"], "speaker": "c", "language": "en"}\n',
            r"list\.jsonl:1: key 'text' holds \['b'\]",
        ),
        ('{"path": "a", "text": "b", "speaker": "\\ud800", "language": "en"}\n', r"list\.jsonl:1: key 'speaker' holds"),
        ('\n{"path": "a", "text": "b", "speaker": "c"}\n', r"list\.jsonl:2: no key 'language'"),
    ],
)
def test_faults_in_json(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(content, "corpus/list.jsonl")


def test_faults_of_files() -> None:
    losses = Losses("the table", Path("list.csv"))
    Path("corpus/list.csv").write_bytes(HEAD.encode() + b"clips/a.wav,caf\xe9,x,fr,train\n")
    with pytest.raises(DataError, match=r"list\.csv:2: is not UTF-8"):
        read(Path("corpus/list.csv"), 0, losses)
    with pytest.raises(ConfigError, match=r"corpus.table.files: item 1: there is no file 'gone.csv'"):
        read(Path("gone.csv"), 1, losses)
    Path("list.xlsx").touch()
    with pytest.raises(ConfigError, match=r"'list.xlsx' is a workbook of a spreadsheet \(save it as CSV UTF-8\)"):
        read(Path("list.xlsx"), 0, losses)
    Path("list.parquet").touch()
    with pytest.raises(ConfigError, match=r"ends in '\.parquet' \(one of \.csv \.tsv \.tab \.txt \.jsonl"):
        read(Path("list.parquet"), 0, losses)
    with pytest.raises(ConfigError, match="corpus.table.files: is empty"):
        table.prepare(CorpusConfig(), Path("data"), nj=1)


WRITTEN = [
    ("LIST.CSV", "utf-8", HEAD + "clips/a.wav,One two,x,en,train\n"),
    ("List.Tsv", "utf-8", HEAD.replace(",", "\t") + "clips/a.wav\tOne two\tx\ten\ttrain\n"),
    ("list.txt", "utf-8", HEAD.replace(",", "\t") + "clips/a.wav\tOne two\tx\ten\ttrain\n"),
    ("list.csv", "utf-16", HEAD.replace(",", "\t") + "clips/a.wav\tOne two\tx\ten\ttrain\n"),
    ("list.csv", "utf-8-sig", HEAD.replace(",", ";") + "clips/a.wav;One, two;x;en;train\r\n"),
    ("list.csv", "utf-8", "sep=;\n" + HEAD.replace(",", ";") + "clips/a.wav;One two;x;en;train\n"),
    ("list.csv", "utf-8", HEAD.replace(",", "|") + "clips/a.wav|One two|x|en|train\n"),
    ("list.tsv", "utf-8", HEAD + "clips/a.wav,One two,x,en,train\n"),
    ("list.csv", "utf-8", '"Path", Text ,SPEAKER,"Language",Split\nclips/a.wav,One two,x,EN,Train\n'),
    ("list.csv", "utf-8", HEAD + 'clips/a.wav,"One\ntwo",x,en,train\n'),
    ("list.csv", "utf-8", HEAD + "clips/a.wav,One two,x,en,train,,\n"),
    ("list.csv", "utf-8", HEAD.replace("\n", "\r") + "clips/a.wav,One two,x,en,train\r"),
    ("list.tsv", "utf-8", HEAD.replace(",", "\t") + '"clips/a.wav"\t"One ""two"""\tx\ten\ttrain\n'),
    (
        "list.json",
        "utf-8",
        '[{"Path": "clips/a.wav", "text": "one two", "speaker": 7, "language": "en", "split": "train"}]',
    ),
    ("list.csv", "utf-8", HEAD + "clips\\a.wav,One two,x,en,train\n"),
    ("list.csv", "utf-8", HEAD + ".\\clips\\a.wav,One two,x,en,train\n"),
    ("list.csv", "utf-8", HEAD + "~/corpus/clips/a.wav,One two,x,en,train\n"),
    ("list.csv", "utf-8", HEAD + "{here}/corpus/clips/a.wav,One two,x,en,train\n"),
]
"""Tables of one recording as spreadsheets and people write them."""


@pytest.mark.parametrize(("name", "encoding", "content"), WRITTEN)
def test_tables_as_people_write_them(name: str, encoding: str, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    path = Path("corpus", name)
    path.write_bytes(content.replace("{here}", str(Path.cwd())).encode(encoding))
    config = CorpusConfig(languages=("en",), table=TableConfig(files=(f"~/{path}",)))
    (made,) = table.prepare(config, Path("data"), nj=1)
    train = DataDirectory.read(made)
    assert list(train.text.values()) == ["one two"]
    assert all(Path(entry).is_file() for entry in train.wav_scp.values())


def test_accents_of_names_are_composed_or_not() -> None:
    Path("corpus/clips/a.wav").rename(unicodedata.normalize("NFD", "corpus/clips/\u00e9.wav"))
    made = prepare(HEAD + "clips/\u00e9.wav,one,x,en,train\n")
    assert len(made["table_train"].text) == 1


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("https://example.org/a.wav", r"is an address, not a file \(download the recordings, write their paths"),
        ("file:///corpus/clips/a.wav", r"is an address \(write the path, without file"),
        (r"C:\clips\a.wav", r"is a path of a Windows computer \(copy the recordings here, write paths relative"),
        (r"\\server\a.wav", r"is a path of a Windows computer"),
        ("clips", r"'corpus/clips' is a folder"),
        ("clips/A.WAV", r"there is a\.wav: capital letters matter here"),
        ("clips/a", r"there is a\.wav: write it whole"),
        ("corpus/clips/a.wav", r"paths are relative to corpus, and this one is relative to /"),
        (r"clips\no.wav", r"there is no file 'corpus/clips/no\.wav'"),
        ("x" * 300, "there is no file"),
    ],
)
def test_what_is_said_of_paths_without_a_file(written: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(HEAD + f"{written},one,x,en,train\n")

"""The user's own table: what it makes, and that every fault names file, line, column and fix."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.config import CorpusConfig, TableConfig
from jointst.data.audio import load_audio
from jointst.data.corpora import table
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
    return "\n".join(json.dumps(dict(zip((*table.COLUMNS, "split"), row))) for row in ROWS) + "\n\n"


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
        (HEAD.replace(",", ";"), r"list\.csv:1: no column .*separate fields by commas"),
        (HEAD.replace(",", "\t"), r"list\.csv:1: no column .*name the file \.tsv"),
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
        content = json.dumps(dict(zip((*table.COLUMNS, "split"), fields)), ensure_ascii=False) + "\n"
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
    assert lines[0] == "12 of 12 lines are faulty:"
    assert lines[1].startswith("corpus/list.csv:2: column path: there is no file 'corpus/no0.wav'")
    assert lines[-1] == "and 2 more"


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
    Path("corpus/list.csv").write_bytes(HEAD.encode() + b"clips/a.wav,caf\xe9,x,fr,train\n")
    with pytest.raises(DataError, match=r"list\.csv:2: is not UTF-8"):
        table.read(Path("corpus/list.csv"))
    with pytest.raises(ConfigError, match=r"corpus.table.files: item 1: there is no file 'gone.csv'"):
        table.read(Path("gone.csv"), 1)
    Path("list.xlsx").touch()
    with pytest.raises(ConfigError, match=r"ends in '\.xlsx' \(one of \.csv \.tsv \.jsonl\)"):
        table.read(Path("list.xlsx"))
    with pytest.raises(ConfigError, match="corpus.table.files: is empty"):
        table.prepare(CorpusConfig(), Path("data"), nj=1)

"""The user's own table: what it makes, and that every fault names file, line, column and fix."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import ConfigError, DataError
from jointst.config import CorpusConfig, TableConfig
from jointst.data.corpora import table
from jointst.data.corpora.left_out import Losses
from jointst.data.corpora.table_files import COLUMNS, read
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.labels import read_labels

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
        (
            "path,text,speaker\na,b,c\n",
            r"csv:1: no column language, only path text speaker \(add a column language: a code such as en\)",
        ),
        (
            "file,text,language\na,b,en\n",
            r"csv:1: no column path speaker, .* \(rename the column file to path; add a column speaker: any name, the",
        ),
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
        (HEAD.replace(",", "/"), r"list\.csv:1: no column path text speaker language, only path/text/.* \(begin with"),
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
        ("a.wav", r"there is no file 'corpus/a\.wav' \(there is clips/a\.wav: paths are relative to corpus\)"),
        ("x" * 300, "there is no file"),
    ],
)
def test_what_is_said_of_paths_without_a_file(written: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(HEAD + f"{written},one,x,en,train\n")


def test_environment_variables_in_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("corpus/list.csv").write_text(as_csv(), encoding="utf-8")
    config = CorpusConfig(languages=("de", "en"), table=TableConfig(files=("${OF_SPEECH}/list.csv",)))
    with pytest.raises(ConfigError, match=r"corpus\.table\.files: .* variable OF_SPEECH, which is not set \(export"):
        table.input_files(config)
    monkeypatch.setenv("OF_SPEECH", "corpus")
    assert [path.name for path in table.prepare(config, Path("data"), nj=1)] == [
        "table_train",
        "table_dev",
        "table_test",
    ]
    Path("$OF_SPEECH").mkdir()  # what is there of the very name is meant
    Path("$OF_SPEECH/list.csv").write_text("")
    literal = CorpusConfig(table=TableConfig(files=("$OF_SPEECH/list.csv",)))
    assert table.input_files(literal) == [Path("$OF_SPEECH/list.csv")]


def test_lines_in_other_languages_are_left_aside(capsys: pytest.CaptureFixture[str]) -> None:
    others = "".join(f"clips/c.wav,uno {number},x,{lang},train\n" for number, lang in enumerate(("es", "myx", "es")))
    made = prepare(HEAD + "clips/a.wav,one,x,en,train\n" + others)
    assert [len(item.text) for item in made.values()] == [1]
    said = "corpus table: lines in languages that corpus.languages does not name: es 2, myx 1\n"
    assert said in capsys.readouterr().out
    with pytest.raises(DataError, match=r"csv:2: column language: 'myx' is not in corpus\.languages \(one of ar de"):
        prepare(HEAD + "clips/a.wav,one,x,myx,train\n")  # then it is the setting that is wrong


@pytest.mark.parametrize(
    ("name", "content", "other", "message"),
    [
        (
            "list.csv",
            "path,text,speaker\nclips/a.wav,one,x\n",
            "path,text,speaker,lang\nclips/a.wav,one,x,en\n",
            r"no column language, .* \(rename the column lang to language\)",
        ),
        (
            "list.jsonl",
            '{"path": "clips/a.wav", "text": "one", "speaker": "x"}\n',
            '{"path": "clips/a.wav", "text": "one", "speaker": "x", "locale": "en"}\n',
            r"no key 'language' \(rename locale to language\)",
        ),
    ],
)
def test_the_language_may_be_left_out_where_there_is_one(name: str, content: str, other: str, message: str) -> None:
    path = Path("corpus", name)
    path.write_text(content, encoding="utf-8")
    config = CorpusConfig(languages=("fr",), table=TableConfig(files=(str(path),)))
    (made,) = table.prepare(config, Path("data"), nj=1)
    assert set(DataDirectory.read(made).utt2lang.values()) == {"fr"}
    path.write_text(other, encoding="utf-8")
    with pytest.raises(DataError, match=message):  # a language that is stated is not read over
        table.prepare(config, Path("data"), nj=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", "path,text,speaker,language,subset\nclips/a.wav,one,x,en,test\n"),
        ("list.jsonl", '{"path": "clips/a.wav", "text": "one", "speaker": "x", "language": "en", "subset": "test"}\n'),
    ],
)
def test_a_split_by_another_name_is_not_read_over(name: str, content: str) -> None:
    path = Path("corpus", name)
    path.write_text(content, encoding="utf-8")
    config = CorpusConfig(languages=("en",), table=TableConfig(files=(str(path),)))
    with pytest.raises(DataError, match="(column |key ')split.*rename (the column )?subset to split"):
        table.prepare(config, Path("data"), nj=1)


def test_each_file_may_make_sets_of_its_own() -> None:
    Path("corpus/read-aloud.csv").write_text(HEAD + "clips/a.wav,one,x,en,train\n", encoding="utf-8")
    Path("corpus/far.tsv").write_text("path\ttext\tspeaker\tlanguage\tsplit\nclips/c.wav\ttwo\ty\ten\ttest\n")
    config = CorpusConfig(
        languages=("en",), table=TableConfig(files=("corpus/read-aloud.csv", "corpus/far.tsv"), apart=True)
    )
    made = {path.name: DataDirectory.read(path).text for path in table.prepare(config, Path("data"), nj=1)}
    assert {name: list(text.values()) for name, text in made.items()} == {
        "table_read_aloud_train": ["one"],
        "table_far_test": ["two"],
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("corpus/the-test.csv",), r"item 0: 'the-test\.csv' cannot name its sets: .* hold test play"),
        (("corpus/a b.csv", "corpus/a-b.csv"), r"item 1: 'a-b\.csv' cannot name its sets: two files have this name"),
    ],
)
def test_names_that_files_cannot_give_to_sets(names: tuple[str, ...], message: str) -> None:
    for name in names:
        Path(name).write_text(HEAD + "clips/a.wav,one,x,en,train\n")
    with pytest.raises(ConfigError, match=message):
        table.prepare(CorpusConfig(table=TableConfig(files=names, apart=True)), Path("data"), nj=1)


def test_ages_and_the_like_of_lines_and_of_speakers() -> None:
    rows = [("a", "anna", "30", "Happy "), ("b-1", "bo", "", ""), ("c", "cy", "", "sad")]
    lines = "".join(f"clips/{name}.wav,{name} is said,{who},en,train,{age},{how}\n" for name, who, age, how in rows)
    Path("corpus/list.csv").write_text("path,text,speaker,language,split,age,emotion\n" + lines)
    Path("corpus/speakers.tsv").write_text("speaker\tage\tgender\nanna\t29\tF\nbo\t7\tm\nnobody\t1\tm\n")
    config = CorpusConfig(
        languages=("en",), table=TableConfig(files=("corpus/list.csv",), speakers=("corpus/speakers.tsv",))
    )
    (made,) = (DataDirectory.read(path) for path in table.prepare(config, Path("data"), nj=1))
    found = {
        name: {made.utt2spk[key]: value for key, value in read_labels(made, name).items()}
        for name in ("age", "gender", "emotion")
    }
    assert found["age"] == {"anna": "30", "bo": "7"}  # a line goes before what is said of its speaker
    assert found["gender"] == {"anna": "f", "bo": "m"}
    assert found["emotion"] == {"anna": "happy", "cy": "sad"}
    Path("corpus/list.csv").write_text(as_csv(), encoding="utf-8")  # another table, which knows nothing of them
    made = DataDirectory.read(
        table.prepare(CorpusConfig(table=TableConfig(files=("corpus/list.csv",))), Path("data"), 1)[0]
    )
    assert read_labels(made, "emotion") == {}


def test_labels_of_speakers_as_kaldi_has_them(tmp_path: Path) -> None:
    own = DataDirectory(tmp_path / "own", {"a-1": "x", "b-1": "y"}, utt2spk={"a-1": "a", "b-1": "b"})
    own = own.write(own.path)
    (own.path / "spk2age").write_text("a 6\nb 40\nc 9\n")
    (own.path / "utt2age").write_text("b-1 41\nz-1 3\n")
    assert read_labels(own, "age") == {"a-1": "6", "b-1": "41"}


def _shared(train: int, dev: int, test: int, both: int) -> str:
    """A table whose test set has sentences of training (and of dev), ``both`` of each."""
    lines = []
    for split, count in (("train", train), ("dev", dev), ("test", test)):
        for number in range(count):
            said = f"sentence of all {chr(97 + number)}" if number < both else f"{split} alone {chr(97 + number)}"
            lines.append(f"clips/{split}{number}.wav,{said},{split}{number},en,{split}\n")
            soundfile.write(f"corpus/clips/{split}{number}.wav", np.sin(np.arange(4000) * 0.1) * 0.5, 16000)
    return HEAD + "".join(lines)


@pytest.mark.parametrize(
    ("sizes", "same", "left"),
    [
        ((10, 10, 10, 2), False, [8, 8, 10]),  # test is whole, dev loses what test has, training what both have
        ((10, 10, 10, 2), True, [10, 10, 10]),
        ((10, 3, 3, 3), False, [10, 3, 3]),  # a corpus of commands
    ],
)
def test_sentences_that_sets_share(
    sizes: tuple[int, int, int, int], same: bool, left: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("corpus/list.csv").write_text(_shared(*sizes))
    files = TableConfig(files=("corpus/list.csv",))
    config = CorpusConfig(languages=("en",), table=files, same_sentences=same)
    made = [DataDirectory.read(path) for path in table.prepare(config, Path("data"), nj=1)]
    assert [len(item.text) for item in made] == left
    assert all(item.text.keys() == item.wav_scp.keys() == item.utt2spk.keys() for item in made)
    said = (
        "table: taken out, since sets held out from them have the same sentences: table_dev 2 of 10, table_train 2 of"
    )
    assert (said in capsys.readouterr().out) == (left == [8, 8, 10])


def test_too_many_shared_sentences_are_no_slip() -> None:
    Path("corpus/list.csv").write_text(_shared(10, 10, 10, 5))
    config = CorpusConfig(languages=("en",), table=TableConfig(files=("corpus/list.csv",)))
    with pytest.raises(DataError, match=r"table_dev: 5 of 10 utterances have sentences of the test set \(if they are"):
        table.prepare(config, Path("data"), nj=1)

"""The tokenizer: label 0 is the blank, text comes back as it was, bad sizes are refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from jointst.common.errors import ConfigError, DataError
from jointst.config import Config, DataConfig, TokenizerConfig
from jointst.config.context import Context
from jointst.kaldi.directory import DataDirectory
from jointst.text.tokenizer import BLANK, UNKNOWN, Tokenizer, run, train

SENTENCES = [
    "open the green door",
    "öffne die tür am montag",
    "打开绿色的门",
    "赤い箱を見せて",
    "открой дверь",
    "افتح الباب",
    "मेज पर किताब लाओ",
    "l'homme d'aujourd'hui",
] * 20


def tokenizer(tmp_path: Path, config: TokenizerConfig) -> Tokenizer:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(train(SENTENCES, config))
    return Tokenizer.read(path)


@pytest.mark.parametrize(("kind", "size"), [("char", 500), ("unigram", 65), ("bpe", 120)])
def test_text_comes_back(tmp_path: Path, kind: str, size: int) -> None:
    model = tokenizer(tmp_path, TokenizerConfig(kind=kind, vocabulary_size=size))  # type: ignore[arg-type]
    assert model.pieces([BLANK, UNKNOWN]) == ["<blk>", "<unk>"]
    assert model.size == (len(set("".join(SENTENCES))) + 2 if kind == "char" else size)
    for sentence in SENTENCES[:8]:
        labels = model.encode(sentence)
        assert min(labels) > UNKNOWN
        assert max(labels) < model.size
        assert model.decode(labels) == sentence
        assert model.decode([0, *labels, 0]) == sentence
        assert kind != "char" or model.pieces(labels) == list(sentence.replace(" ", "▁"))


def test_text_never_encodes_to_the_blank(tmp_path: Path) -> None:
    model = tokenizer(tmp_path, TokenizerConfig())
    for text in ("<blk>", "a<blk>b", "€", ""):
        assert BLANK not in model.encode(text)
    assert model.encode("€") == [UNKNOWN]
    assert model.decode([UNKNOWN]) == "⁇"
    assert model.encode("") == []


def test_the_same_text_gives_the_same_model() -> None:
    config = TokenizerConfig(kind="unigram", vocabulary_size=65)
    assert train(SENTENCES, config) == train(SENTENCES, config)


def test_long_sentences_count() -> None:
    long = "x" * 10_000 + "ÿ"
    with_long = Tokenizer.from_bytes(train([*SENTENCES, long], TokenizerConfig()))
    assert with_long.decode(with_long.encode("ÿ")) == "ÿ"


@pytest.mark.parametrize(("kind", "size"), [("unigram", 20), ("bpe", 20), ("unigram", 5000), ("bpe", 5000)])
def test_sizes_that_cannot_work(kind: str, size: int) -> None:
    with pytest.raises(ConfigError, match="tokenizer.vocabulary_size"):
        train(SENTENCES, TokenizerConfig(kind=kind, vocabulary_size=size))  # type: ignore[arg-type]


def test_it_travels_to_other_processes(tmp_path: Path) -> None:
    model = tokenizer(tmp_path, TokenizerConfig())
    assert pickle.loads(pickle.dumps(model)).encode("die tür") == model.encode("die tür")


def test_damaged_models_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    with pytest.raises(DataError, match="no tokenizer model"):
        Tokenizer.read(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"tokenizer\.model"):
        Tokenizer.read(path)


def test_the_stage_reads_training_and_unpaired_text_only(tmp_path: Path) -> None:
    for name, text in {"train": "ab", "unpaired": "c d", "dev": "e", "test": "f"}.items():
        DataDirectory(tmp_path / name, {"de-1": text}, utt2lang={"de-1": "de"}).write(tmp_path / name)
    data = DataConfig(root=str(tmp_path), train=("train",), dev=("dev",), test=("test",), unpaired=("unpaired",))
    made = run(Context(config=Config(data=data), name="x"))
    tokens = (made.where / "tokens.txt").read_text().splitlines()
    assert tokens[:2] == ["<blk> 0", "<unk> 1"]
    assert {line.split()[0] for line in tokens[2:]} == {"a", "b", "c", "d", "▁"}
    assert Tokenizer.read(made.where / "tokenizer.model").size == len(tokens) == 7

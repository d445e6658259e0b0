"""Stage 5 leaves unpaired text as a training reads it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jointst.config.context import Context
from jointst.data import stores
from jointst.models.build import read_symbols
from jointst.training.data import read_unpaired
from jointst.training.prepare import run


def with_text(toy: Context, *sets: str) -> Context:
    data = dataclasses.replace(toy.config.data, unpaired=sets)
    return dataclasses.replace(toy, config=dataclasses.replace(toy.config, data=data))


def test_a_training_finds_what_stage_5_has_written(toy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    context = with_text(toy, "t_dev", "t_test")
    assert "labels" in run(context).what
    assert len(list(Path(toy.data).glob("*/.symbols/phones-*"))) == 2
    monkeypatch.setattr(stores, "write_store", None)
    texts = read_unpaired(context.config, toy.data, read_symbols(context.config, toy.data))
    assert texts is not None
    assert len(texts.utterances) == 24


@pytest.mark.parametrize("lost", ["lang/phones.txt", "t_dev/phones"])
def test_before_there_are_phones_there_is_a_tokenizer_alone(lost: str, toy: Context) -> None:
    (toy.data / lost).unlink()
    run(with_text(toy, "t_dev"))
    assert not list(Path(toy.data).glob("*/.symbols"))

"""Settings that are refused: plain words, with the file and line that state them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jointst.common.errors import ConfigError
from jointst.config.load import parse

REFUSED = [
    ("training:\n  max_updates: many\n", ":2: training.max_updates: is 'many' (a whole number)"),
    ("model:\n  dim: 3.5\n", ":2: model.dim: is '3.5' (a whole number)"),
    ("training:\n  peak_rate: [1]\n", ":2: training.peak_rate: is '[1]' (a number)"),
    ("corpus:\n  same_sentences: perhaps\n", ":2: corpus.same_sentences: is 'perhaps' (true or false)"),
    ("corpus:\n  table: {files: list.csv}\n", ":2: corpus.table.files: is 'list.csv' (a list: [list.csv])"),
    ("corpus:\n  languages: en\n", ":2: corpus.languages: is 'en' (a list: [en])"),
    ("data:\n  train: {a: b}\n", ":2: data.train: is \"{'a': 'b'}\" (a list)"),
    ("decoding:\n  # words\n\n  search: beem\n", ":4: decoding.search: is 'beem' (one of greedy beam)"),
    (
        "training:\n  speech_batch:\n    max_seconds: lots\n",
        ":3: training.speech_batch.max_seconds: is 'lots' (a number or auto or null)",
    ),
    ("model: {dim: 191}\n", ":1: model.dim: is 191 with 4 heads (a multiple of 2 heads)"),
    ("corpus:\n  languages: [eng]\n", ":2: corpus.languages: 'eng' is unknown (known: ar"),
    (
        "loss:\n  consistency:\n    start_update: 10\n",
        ":3: loss.consistency.start_update: is 10, before loss.ctc_only_updates (300), when transducers begin to train",
    ),
]
"""A file, and what is said of it."""


def refusal(*arguments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse("train", "", list(arguments))
    return str(caught.value)


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_a_fault_has_its_line_and_plain_words(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(content)
    assert refusal("--conf", str(path)).startswith(f"{path}{message}")


def test_of_several_files_the_last_that_states_it_is_named(tmp_path: Path) -> None:
    for name, content in (("a", "model: {dim: 64}\n"), ("b", "\nmodel: {dim: 191}\n"), ("c", "loss: {text: 1}\n")):
        (tmp_path / f"{name}.yaml").write_text(content)
    confs = [word for name in "abc" for word in ("--conf", str(tmp_path / f"{name}.yaml"))]
    assert refusal(*confs).startswith(f"{tmp_path}/b.yaml:2: model.dim: ")


@pytest.mark.parametrize("option", [("--model.dim", "193"), ("--model.dim=193",)])
def test_what_the_command_line_states_has_no_file(option: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("model: {dim: 64}\n")
    assert refusal("--conf", str(path), *option).startswith("model.dim: is 193 with 4 heads")

"""``jointst adapt`` as its user runs it: what it learns, what it makes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jointst import Recogniser
from jointst.cli import main
from jointst.export.load import load_packed
from jointst.export.pack import run as export
from jointst.stage import Context, write_atomically
from jointst.training.start_model import read_start

NEW = ["read the old letter", "the letter is red", "open the letter now", "close the old door", "it is the old one"]


@pytest.fixture
def model(toy: Context) -> Path:
    """The toy model, packed; its phones are letters, and so is its lexicon."""
    letters = (toy.data / "lang/phones.txt").read_text().split()[::2]
    write_atomically(
        toy.data / "lang/lexicon_en.txt", "".join(f"{word} {' '.join(word)}\n" for word in ("open", "the"))
    )
    write_atomically(
        Path("spelled.txt"), "".join(f"{word} {' '.join(word)}\n" for word in words() if set(word) <= {*letters})
    )
    return export(toy).where


def words() -> list[str]:
    return sorted({word for sentence in NEW for word in sentence.split()})


def text(*sentences: str, name: str = "new.txt") -> str:
    Path(name).write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return name


def adapt(model: Path, *options: str) -> int:
    return main(["adapt", "--model", str(model), "--out", "out", *options])


def test_what_is_learnt(model: Path, toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    file = text(*NEW)
    speech = ["--rehearse", str(toy.data / "t_train"), "--dev", str(toy.data / "t_dev")]
    assert adapt(model, "--text", file, "--lexicon", "spelled.txt", "--updates", "60", "--rate", "5e-3", *speech) == 0
    print(capsys.readouterr())

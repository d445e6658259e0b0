"""The cost model: numbers made by hand, what the code really keeps, and the page that shows what it prints."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from jointst.config import TokenizerConfig
from jointst.data.stored_speech import open_speech
from jointst.data.symbols import Symbols
from jointst.data.text_store import Block, Ragged, write_store
from jointst.data.windows import WINDOW
from jointst.kaldi.directory import DataDirectory
from jointst.text import tokenizer
from jointst.text.lexicon import PhoneTable
from jointst.training.data import MOST_WORKERS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/howto/scale.md"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("cost_model")


ROUND = {
    "speech_hours": 1000,
    "sentences": 36_000,
    "gpus": 4,
    "gpus_a_node": 2,
    "parameters": 1e9,
    "node_network_gb_s": 3,
    "audio_hours_a_gpu_hour": 3600,
    "batch_seconds": 7200,
    "batch_sentences": 3,
    "utterance_seconds": 10,
    "phones": 20,
    "labels": 10,
    "name_bytes": 6,
    "store_symbols_a_second": 100,
    "process_gb": 1,
    "loader_gb": 0.5,
    "loaders_a_gpu": 4,
}
BY_HAND = {
    "utterances": 360_000,
    "store_bytes_a_sentence": 2 * 30 + 6 + 24 + 2 + 4,
    "store_hours": 36_000 * 30 / 100 / 3600,
    "update_seconds": 2,  # two hours of audio, one a second
    "gradient_gb": 2 * 3 / 4 * 4,
    "gradient_seconds": 2,
    "epoch_updates": 125,  # eight hours each
    "sentences_a_second": 3,
    "node_processes_gb": 2 * (1 + 4 * 0.5),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str, model: ModuleType) -> None:
    assert getattr(model.Plan(**ROUND), name) == pytest.approx(BY_HAND[name])


def test_by_hand_with_arguments(model: ModuleType) -> None:
    plan = model.Plan(**ROUND)
    assert plan.node_read_gb_a_second(50) == pytest.approx(0.1)
    assert plan.loader_cores(2.5) == pytest.approx(2.5)
    assert plan.node_lengths_gb == pytest.approx(0.00288)


def cells(tables: str, begins: str) -> list[str]:
    """The cells of the row that begins so."""
    row = next(line for line in tables.splitlines() if line.startswith(f"| {begins}"))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_tables(model: ModuleType) -> None:
    found = model.report(model.Plan(**ROUND, flac_mb_an_hour=50, node_read_gb_s=0.05))
    assert cells(found, "shards of FLAC")[:3] == ["0.05", "0.1", "0.2"]
    assert cells(found, "epoch of speech: hours") == ["0.139"]  # 125 updates of 4 s
    assert cells(found, "epochs of speech until") == ["24"]  # 12 sentences an update
    assert cells(found, "shards, GB/s a node") == ["0.1", "0.05", "2"]
    shares = [float(line.split("|")[-2]) for line in found.partition("breaks first")[2].splitlines()[2:]]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("languages", [1, 2])
def test_bytes_of_a_stored_sentence(languages: int, model: ModuleType, tmp_path: Path) -> None:
    plan = model.Plan(phones=20, labels=10, name_bytes=6, languages=languages, sentences=100)
    columns = {
        name: Ragged(np.ones(100 * each, kind), np.full(100, each))
        for name, each, kind in (("names", 6, "u1"), ("phones", 20, "<u2"), ("labels", 10, "<u2"))
    }
    block = Block(columns=columns, languages=np.arange(100) % languages)
    folder = write_store(tmp_path / "store", [block], dict(zip(["de", "en"][:languages], range(2)))).folder
    kept = sum(path.stat().st_size for path in folder.iterdir() if path.name != "header.json")
    assert kept == 100 * plan.store_bytes_a_sentence + 3 * 8  # the first of each file of ends


def test_bytes_of_an_utterance_in_memory(model: ModuleType, tmp_path: Path) -> None:
    """Nothing but its length, however long names, text and places are."""
    count, letters = 3000, "abcdefghijklmnopqrstuvwxyz"
    names = [f"{i:024d}" for i in range(count)]
    DataDirectory(
        path=tmp_path,
        text=dict.fromkeys(names, letters),
        utt2lang=dict.fromkeys(names, "en"),
        feats_scp={name: f"dump/data/train/train_sharded_feats.1.jsonl:{100 * i}" for i, name in enumerate(names)},
        utt2num_frames={name: 1200 + i % 300 for i, name in enumerate(names)},
        phones=dict.fromkeys(names, " ".join(letters)),
    ).write(tmp_path)
    pieces = tokenizer.Tokenizer.from_bytes(tokenizer.train([letters], TokenizerConfig(kind="char")))
    symbols = Symbols(tokenizer=pieces, phones=PhoneTable.of(letters), text_input="phones")
    open_speech([tmp_path], symbols)
    gc.collect()
    tracemalloc.start()
    speech = open_speech([tmp_path], symbols)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert speech is not None
    assert speech.frames.nbytes == model.Plan().held_bytes * count
    assert held < speech.frames.nbytes + 20_000


def test_limits_of_the_code(model: ModuleType) -> None:
    assert (model.Plan().loaders_a_gpu, model.WINDOW) == (MOST_WORKERS, WINDOW)


def test_page_shows_what_is_printed() -> None:
    command = [sys.executable, str(ROOT / "tools/cost_model.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed in PAGE.read_text(encoding="utf-8"), f"put what tools/cost_model.py prints into {PAGE}"


def test_options_are_assumptions(model: ModuleType) -> None:
    command = [sys.executable, str(ROOT / "tools/cost_model.py"), "--gpus", "8", "--sentences", "1e8"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == model.report(model.Plan(gpus=8, sentences=1e8))

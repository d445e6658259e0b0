"""The recipes whose speech is listed in tables that their user keeps: on small tables and noises of this test's own."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from jointst.config import Config
from jointst.config.load import from_yaml
from jointst.data.corpora.grammar import read_grammars
from jointst.recipe.cli import main
from jointst.recipe.stages import STAGES

EGS = Path(__file__).resolve().parents[2] / "egs"
CONFS = sorted(path for path in EGS.glob("*/conf/*.yaml") if "$SPEECH" in path.read_text())
PLAIN = [path for path in CONFS if "whisper" not in path.stem]
SPLITS = {"train": 12, "dev": 4, "test": 4}
TOY = """
--features.speed_perturbation [1.0]
--model.dim 16 --model.full_context_dim 16 --model.heads 2 --model.audio_layers 1 --model.streaming_layers 1
--model.full_context_layers 1
--loss.ctc_only_updates 2 --loss.consistency.start_update 3 --loss.consistency.ramp_updates 1
--training.max_updates 5 --training.validate_every 5 --training.warmup_updates 2
--align.utterances 4 --align.heat_maps 1 --probe.splits 2 --probe.iterations 5
""".split()


def name_of(path: Path) -> str:
    return str(path.relative_to(EGS).with_suffix(""))


@pytest.fixture
def speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder SPEECH, and a folder to run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEECH", str(tmp_path / "speech"))
    return tmp_path / "speech"


def make_tables(folder: Path, config: Config) -> None:
    """The files that a recipe names: in each table every split of every language, and a line in one of no interest."""
    (folder / "text").mkdir(parents=True)
    grammars = read_grammars(languages=config.corpus.languages)
    generator = np.random.default_rng(0)
    sentences = {
        lang: (grammar.text(sentence) for sentence in grammar.sentences()) for lang, grammar in grammars.items()
    }
    speakers: list[str] = []
    for written in config.corpus.table.files:
        table = folder / Path(written).name
        rows = [("x.opus", "isang pangungusap", "tl-reader", "tl", "train")]
        for lang, own in sentences.items():
            said = {split: list(islice(own, count)) for split, count in SPLITS.items()}
            said["train"].append(said["test"][0])  # as official splits have it
            for split, texts in said.items():
                for number, text in enumerate(texts):
                    path = f"{table.stem}/{lang}_{split}_{number}.flac"
                    (folder / path).parent.mkdir(exist_ok=True)
                    samples = generator.normal(size=generator.integers(16000, 24000)) * 0.1
                    soundfile.write(folder / path, samples, 16000)
                    speakers.append(f"{table.stem}-{split}-{number % 4}")
                    rows.append((path, f"{text}.", speakers[-1], lang, split))
        lines = ["\t".join(row) for row in [("path", "text", "speaker", "language", "split"), *rows]]
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for lang, own in sentences.items():
        (folder / f"text/{lang}.txt").write_text("\n".join(islice(own, 30)) + "\n", encoding="utf-8")
    for written in config.corpus.table.speakers:
        ages = [f"{speaker}\t{(7, 30)[i % 2]}\t{'mf'[i % 2]}" for i, speaker in enumerate(dict.fromkeys(speakers))]
        (folder / Path(written).name).write_text("\n".join(["speaker\tage\tgender", *ages]) + "\n")


@pytest.mark.parametrize("path", PLAIN, ids=map(name_of, PLAIN))
def test_corpus_and_validate(path: Path, speech: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = from_yaml(path)
    make_tables(speech, config)
    for stage in ("corpus", "validate"):
        assert main([stage, "--conf", str(path), "--nj", "1"]) == 0
    shown = capsys.readouterr().out
    tables = len(config.corpus.table.files)
    assert f"corpus.languages does not name: tl {tables}\n" in shown
    assert "train 1 of 13" in shown or f"train {len(config.corpus.languages)} of" in shown
    assert " 0 errors" in shown


def test_every_stage_of_en_l2(speech: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = EGS / "en_l2/conf/train.yaml"
    make_tables(speech, from_yaml(path))
    names = [stage.name for stage in STAGES if stage.name not in ("doctor", "align", "export")]
    for name in (*names, "probe"):
        assert main([name, "--conf", str(path), "--nj", "1", *TOY]) == 0, name
    assert "\ntable_test: 4 utterances" in capsys.readouterr().out
    tasks = json.loads(Path("exp/train/probe/probe.json").read_text())["tasks"]
    assert tasks["age"]["classes"] == tasks["gender"]["classes"] == 2


@pytest.mark.parametrize("path", [path for path in CONFS if path not in PLAIN], ids=name_of)
def test_whisper_has_the_same_data(path: Path) -> None:
    """In another folder, since features are others."""

    def data(of: Path) -> tuple[Any, dict[str, Any]]:
        settings = yaml.safe_load(of.read_text())
        return settings["corpus"], {key: value for key, value in settings["data"].items() if key != "root"}

    stem = path.stem.removesuffix("_gpu").replace("_whisper", "").replace("whisper", "train")  # with other batches
    plain = path.with_name(f"{stem}.yaml")
    assert data(path) == data(plain)
    assert from_yaml(path).data.root != from_yaml(plain).data.root

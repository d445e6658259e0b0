"""The recipes of eleven languages and multi11 at toy size: every stage, in this process, on synthetic speech alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from jointst.common.languages import LANGUAGES
from jointst.recipe.cli import main
from jointst.recipe.stages import STAGES

EGS = Path(__file__).resolve().parents[2] / "egs"
TOY = """
--corpus.sources [mini] --data.train [mini_train] --data.dev [mini_dev] --data.test [mini_test,mini_test_unheard]
--data.unpaired [mini_unpaired]
--corpus.mini.train_utterances 6 --corpus.mini.dev_utterances 2 --corpus.mini.test_utterances 2
--corpus.mini.unpaired_sentences 8 --features.speed_perturbation [1.0]
--model.dim 16 --model.full_context_dim 16 --model.heads 2 --model.audio_layers 1 --model.streaming_layers 1
--model.full_context_layers 1
--loss.ctc_only_updates 2 --loss.consistency.start_update 3 --loss.consistency.ramp_updates 1
--training.max_updates 5 --training.validate_every 5 --training.warmup_updates 2
--align.utterances 4 --align.heat_maps 1
--export.onnx no
""".split()
"""Graphs do not depend on the language: ``test_mini.py`` makes those of a recipe, ``test/export`` all kinds."""
MADE = [stage.name for stage in STAGES if stage.name != "doctor"]  # which looks at the machine, not at the recipe


def run(conf: Path, stages: list[str]) -> None:
    for name in stages:
        assert main([name, "--conf", str(conf), "--nj", "1", *TOY]) == 0, name


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_stage(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(EGS / code / "conf/train.yaml", MADE)
    shown = capsys.readouterr().out
    for name in ("mini_test", "mini_test_unheard"):
        assert f"\n{name}: 2 utterances" in shown
    assert [path.name for path in Path("data/lang").glob("lexicon_*.txt")] == [f"lexicon_{code}.txt"]
    assert Path("exp/train/packed/model.safetensors").is_file()
    assert Path("exp/train/report.html").stat().st_size > 1000


def test_multi11_with_and_without_a_language_embedding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(EGS / "multi11/conf/train.yaml", MADE)
    run(EGS / "multi11/conf/language_embedding.yaml", MADE)
    scores = json.loads(Path("exp/language_embedding/score/scores.json").read_text())
    assert all(f'"{code}"' in json.dumps(scores) for code in "ar de en es fr hi it ja pt ru zh".split())
    for name, has in (("train", False), ("language_embedding", True)):
        packed = yaml.safe_load(Path(f"exp/{name}/packed/config.yaml").read_text())
        assert packed["model"]["language_embedding"] is has

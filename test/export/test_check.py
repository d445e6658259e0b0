"""``jointst export --check SET``: a set through sherpa-onnx, beside torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from export.graphs import changed, exported, give_audio

from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.recipe.cli import main

SETTINGS = {"features": {"mel_bins": 20}}


@pytest.fixture
def command(toy: Context, tmp_path: Path) -> list[str]:
    """The command of the toy experiment, whose test set has audio."""
    give_audio(toy.data / "t_test")
    conf = tmp_path / "toy.yaml"
    conf.write_text(to_yaml(changed(toy, **SETTINGS).config))
    return ["export", "--conf", str(conf), "--nj", "1", "--check"]


def test_a_set_is_scored_by_both(toy: Context, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    exported(toy, **SETTINGS)
    assert main([*command, "t_test"]) == 0
    out = capsys.readouterr().out
    assert "sherpa-onnx, float32" in out
    assert "sherpa-onnx, int8" in out
    rows = json.loads((toy.exp / "check/t_test.json").read_text())
    assert [row["run"] for row in rows][:2] == ["torch, 5 labels a position", "torch, 3 labels a position"]
    whole = [row for row in rows if row["decoder"] == "full_context" and row["run"] == "sherpa-onnx, float32"]
    assert whole[0]["same"] == whole[0]["of"] == 12
    assert (toy.exp / "check/t_test.txt").read_text() in out


def test_what_is_missing_is_said(toy: Context, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "t_test"]) == 1
    assert "packed/onnx: there is no exported folder" in capsys.readouterr().err
    exported(toy, **SETTINGS)
    assert main(command) == 1
    assert "--check: has no value" in capsys.readouterr().err
    assert main([*command, "nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert main([*command, "t_dev"]) == 1
    assert "has no audio in wav.scp" in capsys.readouterr().err

"""Experiments beside each other, by the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jointst.config.context import Context
from jointst.recipe.cli import main
from jointst.scoring.score import run as score


@pytest.fixture
def two(toy: Context) -> tuple[Path, Path]:
    """The toy experiment, and a copy of it that has other settings and errs less."""
    score(toy)
    other = toy.exp.parent / "other"
    shutil.copytree(toy.exp, other)
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("peak_rate: 0.002", "peak_rate: 0.004"))
    lines = [json.loads(line) for line in (other / "score/utterances.jsonl").read_text().splitlines()]
    for line in lines:
        line["hypothesis"] = line["reference"]
        line["words"] |= {"substitutions": 0, "deletions": 0, "insertions": 0}
    (other / "score/utterances.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores = json.loads((other / "score/scores.json").read_text())
    for own in scores["sets"]["t_test"]["decoders"].values():
        own["macro"]["error_rate"] = own["macro"]["error_rate"] / 2
    (other / "score/scores.json").write_text(json.dumps(scores))
    return toy.exp, other


def test_the_page_of_two(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "both.html"
    assert main(["report", *map(str, two), "--out", str(out)]) == 0
    assert f"2 experiments -> {out}" in capsys.readouterr().out
    text = out.read_text()
    assert f"<h1>{two[0].name} · other</h1>" in text
    assert "(-50 %)" in text
    assert "<td>training.peak_rate</td><td>0.002</td><td>0.004</td>" in text
    assert "training.max_updates" not in text, "settings that are the same are left out"
    assert "training.peak_rate" in text
    assert text.count('class="whose">other<') >= 1
    assert 'id="training"' in text


def test_experiments_of_one_name_are_told_apart_by_their_folders(two: tuple[Path, Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / two[0].name
    shutil.copytree(two[0], elsewhere)
    out = tmp_path / "both.html"
    assert main(["report", str(two[0]), str(elsewhere), "--out", str(out)]) == 0
    assert f"elsewhere/{two[0].name}</h1>" in out.read_text()
    assert "All settings are the same." in out.read_text()


def test_one_makes_its_own_page_again(two: tuple[Path, Path]) -> None:
    (two[0] / "report.html").unlink(missing_ok=True)
    assert main(["report", str(two[0])]) == 0
    assert 'id="errors"' in (two[0] / "report.html").read_text()


def test_a_folder_without_an_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "holds no experiment: there is no config.yaml (name exp/<name>)" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()

"""The report shows what there is, and says which file is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jointst.analysis.report import Experiment, build_report, report_html
from jointst.common.errors import DataError
from jointst.config.context import Context
from jointst.scoring.score import run as score


def test_an_empty_experiment_gives_a_page_without_results(tmp_path: Path) -> None:
    text = report_html(Experiment.read(tmp_path), "<nothing>")
    assert "<h1>&lt;nothing&gt;</h1>" in text
    assert 'id="errors"' not in text
    assert 'id="terms"' in text


def test_scores_without_alignment(toy: Context) -> None:
    score(toy)
    text = build_report(toy).read_text()
    assert 'id="errors"' in text
    assert 'id="alignment"' not in text
    rates = json.loads((toy.exp / "score/scores.json").read_text())["sets"]["t_test"]["decoders"]
    assert f"<b>{100 * rates['full_context']['macro']['error_rate']:.1f} %</b>" in text
    # A substitution stands under the word it replaces.
    assert '<span class="substitution"><i>' in text


def test_text_is_escaped(toy: Context) -> None:
    score(toy)
    path = toy.exp / "score/utterances.jsonl"
    path.write_text(path.read_text().replace('"open"', '"<script>"'))
    text = build_report(toy).read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_log_cut_short_by_a_kill_is_read_up_to_there(toy: Context) -> None:
    path = toy.exp / "log.jsonl"
    path.write_text(path.read_text() + '{"update": 99, "lo')
    assert len(Experiment.read(toy.exp).log) == 11


@pytest.mark.parametrize("name", ["score/scores.json", "score/utterances.jsonl", "align/layers.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("{broken\n")
    with pytest.raises(DataError, match=name):
        Experiment.read(tmp_path)

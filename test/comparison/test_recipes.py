"""What recipes reach, kept beside them and laid in one table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jointst.comparison.recipes import compared, recipe_rows
from jointst.config.context import Context
from jointst.recipe.cli import main
from jointst.scoring.score import run as score


def test_a_recipe_keeps_its_scores_and_stands_in_the_table(
    toy: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(toy)
    out = tmp_path / "top" / "RESULTS.md"
    (toy.exp / "versions.json").write_text(json.dumps({"git_commit": "0123456789", "hardware": "a machine"}))
    assert main(["results", "--keep", str(toy.exp), "--out", str(out), f"results/{toy.name}.json"]) == 0
    assert "0 comparisons, 1 recipes ->" in capsys.readouterr().out
    stored = json.loads(Path(f"results/{toy.name}.json").read_text())
    scores = json.loads((toy.exp / "score/scores.json").read_text())["sets"]["t_test"]["decoders"]
    rates = stored["sets"]["t_test"]
    assert {name: own["macro"] for name, own in rates.items()} == {
        name: round(own["macro"]["error_rate"], 5) for name, own in scores.items()
    }
    assert set(rates["streaming"]["languages"]) == set(scores["streaming"]["languages"])
    assert stored["commit"] == "0123456789"
    shown = out.read_text()
    row = next(line for line in shown.splitlines() if "t_test" in line)
    assert f"[{Path.cwd().name}](egs/{Path.cwd().name})" in row
    assert f"`--conf conf/{toy.name}.yaml`, greedy" in row
    assert row.endswith("| a machine |")
    for decoder in ("streaming", "full_context"):
        assert f"| {100 * scores[decoder]['macro']['error_rate']:.1f} |" in row


def test_an_experiment_that_is_not_scored(toy: Context, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["results", "--keep", str(toy.exp), "--out", str(tmp_path / "RESULTS.md")]) == 1
    assert "score/scores.json: is not there (run the recipe up to stage 8)" in capsys.readouterr().err
    assert not (tmp_path / "RESULTS.md").exists()


def test_a_yardstick_stands_below_what_it_is_of(toy: Context, tmp_path: Path) -> None:
    score(toy)
    (toy.exp / "versions.json").write_text(json.dumps({"git_commit": "0123456789", "hardware": "a machine"}))
    about = {
        "system": "another toolkit, a conformer (large), 90 minutes",
        "minutes": 90.0,
        "limit": 20,
        "hardware": "the same machine",
    }
    other = tmp_path / "another"
    shutil.copytree(toy.exp / "score", other / "score")
    (other / "score/yardstick.json").write_text(json.dumps(about))
    out = tmp_path / "top" / "RESULTS.md"
    kept = ["results/another.json", f"results/{toy.name}.json"]
    assert main(["results", "--keep", str(other), str(toy.exp), "--out", str(out), *kept]) == 0
    ours, theirs = (line for line in out.read_text().splitlines() if "t_test" in line)
    assert f"`--conf conf/{toy.name}.yaml`, greedy" in ours
    assert "| another toolkit (large); 20 utterances of each set at most, evenly spread | t_test |" in theirs
    assert theirs.endswith("| - | 1.50 | the same machine |")


def comparison(**changes: object) -> dict[str, object]:
    """A stored comparison of one's own settings, of which only what is read is there."""

    def row(macro: float, recall: float | None) -> dict[str, object]:
        share = None if recall is None else {"share": recall}
        return {"seeds": 3, "rates": {"macro": macro}, "recall": share, "updates": 700, "hours": 0.5}

    tables = [
        {
            "set": "t_test",
            "decoder": "full_context",
            "part": "",
            "systems": {"best": row(0.1, 0.4), "joist": row(9, 9)},
        },
        {"set": "t_test", "decoder": "full_context", "part": "unseen_speakers", "systems": {"best": row(8, 8)}},
        {"set": "t_test", "decoder": "streaming", "part": "", "systems": {"best": row(0.2, 0.3)}},
    ]
    grid = {"conf": ["conf/train.yaml"], "seeds": [0, 1, 2], "overrides": [], "name": "ours"}
    found = {"recipe": "toy", "name": "ours", "created": "2026-01-02", "grid": grid, "hardware": ["a machine"]}
    return {**found, "controls": {"updates": {"tables": tables}}, **changes}


def test_a_comparison_of_a_recipe_s_own_settings_stands_in_the_table() -> None:
    found = compared([comparison(), comparison(name="older", created="2026-01-01")], [])
    made = "`run.sh`, mean of 3 seeds ([ours](egs/toy/results/ours.md))"
    assert recipe_rows(found) == [
        ["[toy](egs/toy)", made, "t_test", "20.0", "10.0", "40.0", "700", "0.50", "a machine"]
    ]


@pytest.mark.parametrize(
    ("grid", "kept"),
    [
        ({"overrides": ["--training.max_updates", "5"]}, []),
        ({"conf": ["conf/train.yaml", "conf/tuning.yaml"]}, []),
        ({}, [{"recipe": "toy", "name": "train"}]),
    ],
)
def test_other_settings_and_what_is_kept_do_without(grid: dict[str, object], kept: list[dict[str, object]]) -> None:
    own = comparison()
    assert not compared([{**own, "grid": {**own["grid"], **grid}}], kept)  # type: ignore[dict-item]

"""Verdicts by the stated rules, on stored comparisons whose numbers are known, and RESULTS.md made of them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from jointst.comparison.claims import CLAIMS
from jointst.comparison.details import details
from jointst.comparison.evidence import Change, Picture, Share, changes, recalls
from jointst.comparison.page import html_of
from jointst.comparison.results import document, judged, pictures, results_page
from jointst.comparison.stored import read_stored, stored_text, training_hours
from jointst.comparison.tables import dev_columns, dev_rows, probe_columns, text_of
from jointst.comparison.verdicts import Verdict, judge_gain, judge_lower, judge_seeds, judge_share
from jointst.recipe.cli import main

BOTH = ("updates", "time")
NOTHING = Picture(axis="", at=None, marks=())


def change(low: float, high: float, p: float = 0.001, control: str = "updates", seeds: int = 3) -> Change:
    middle = (low + high) / 2
    return Change(where="r/n, s", control=control, recipe="r", seeds=seeds, value=middle, interval=(low, high), p=p)


def both(low: float, high: float, p: float = 0.001, seeds: int = 3) -> list[Change]:
    return [change(low, high, p, control, seeds) for control in BOTH]


@pytest.mark.parametrize(
    ("measured", "verdict", "reason"),
    [
        ([], "not measured", "no stored comparison"),
        (both(-0.3, -0.1), "confirmed", "fewer errors in every measurement"),
        (both(-0.3, -0.1, seeds=2), "cannot tell", "fewer than 3 seeds"),
        ([change(-0.3, -0.1)], "cannot tell", "not measured at equal training time"),
        (both(-0.3, -0.1, p=0.04), "cannot tell", "excludes chance"),  # 0.08 once adjusted for two
        (both(-0.3, 0.1), "cannot tell", "excludes chance"),
        ([change(-0.3, -0.1), change(-0.1, 0.1, 0.5, "time")], "cannot tell", "fewer errors in 1 of 2"),
        (both(0.1, 0.3), "not confirmed", "more errors in 2 of 2"),
        (both(-0.03, 0.04, p=0.7), "not confirmed", "excludes a gain of 5.0 %"),
    ],
)
def test_lower_error_rates(measured: list[Change], verdict: Verdict, reason: str) -> None:
    finding = judge_lower(measured)
    assert finding.verdict == verdict
    assert reason in finding.reason
    assert len(finding.measured) == len(measured)


def test_what_is_no_evidence_of_its_own_is_shown_and_not_counted() -> None:
    lower, same = change(-0.3, -0.1), change(0.0, 0.2, 0.9, "time")
    assert judge_lower([lower, same]).verdict == "cannot tell"
    finding = judge_lower([lower, dataclasses.replace(same, again=True)])
    assert finding.verdict == "confirmed"
    assert finding.measured[1].endswith("(not counted again: the same trainings)")
    finding = judge_lower([lower, dataclasses.replace(same, low=False)])
    assert finding.verdict == "confirmed"
    assert finding.measured[1].endswith("(not counted: both above 80.0 % errors)")
    nothing = judge_lower([dataclasses.replace(item, low=False) for item in both(-0.3, -0.1)])
    assert (nothing.verdict, nothing.reason) == ("cannot tell", "every error rate is above 80.0 %")
    lost = judge_lower([lower, dataclasses.replace(change(-0.3, -0.1, control="time"), lost=2)])
    assert (lost.verdict, lost.reason) == ("cannot tell", "trainings have failed or are left")
    assert "2 trainings failed or left" in lost.measured[1]


def test_changes_know_what_they_are_made_of() -> None:
    summary = _summary()
    first, last = changes([summary], "joist", "paired", lambda name: name == "t_unheard")
    assert (first.lost, first.low, first.again, first.p) == (1, True, False, 0.0001)
    assert not last.again
    for cell in summary["controls"]["time"]["cells"]:
        cell["key"] = cell["key"].removesuffix("_time")
    table = summary["controls"]["updates"]["tables"][0]["systems"]
    table["joist"]["against"]["paired"]["difference"] = 0.1  # more errors in sum, fewer by the mean of languages
    table["joist"]["rates"]["macro"] = table["paired"]["rates"]["macro"] = 0.85
    first, last = changes([summary], "joist", "paired", lambda name: name == "t_unheard")
    assert (first.low, first.p) == (False, 1.0)
    assert last.again
    assert recalls([summary], ["paired"], lambda name: name == "t_unheard")[0].lost == 1


def test_goals_with_a_number() -> None:
    assert judge_gain(both(-0.3, -0.15), 0.14).verdict == "confirmed"
    assert judge_gain(both(-0.3, -0.10), 0.14).verdict == "cannot tell"
    assert judge_gain(both(-0.12, -0.05), 0.14).verdict == "not confirmed"
    shares = [Share(where="x", control=control, seeds=3, value=0.5, interval=(0.45, 0.55)) for control in BOTH]
    assert judge_share(shares, 0.4).verdict == "confirmed"
    assert judge_share(shares, 0.5).verdict == "cannot tell"
    assert judge_share(shares, 0.6).verdict == "not confirmed"
    assert judge_share([], 0.6).verdict == "not measured"


def test_what_holds_in_seeds() -> None:
    assert judge_seeds({"a": [True] * 3}, [], NOTHING).verdict == "confirmed"
    assert judge_seeds({"a": [True] * 2}, [], NOTHING).verdict == "cannot tell"
    assert judge_seeds({"a": [True] * 3, "b": [False] * 3}, [], NOTHING).verdict == "not confirmed"
    assert judge_seeds({"a": [True, False, True]}, [], NOTHING).verdict == "cannot tell"
    assert judge_seeds({}, [], NOTHING).verdict == "not measured"


def _row(rate: float, against: dict[str, tuple[float, float]]) -> dict[str, Any]:
    return {
        "seeds": 3,
        "rates": {"en": rate, "ru": rate, "macro": rate, "pooled": rate},
        "intervals": {"macro": [rate - 0.01, rate + 0.01], "pooled": [rate - 0.01, rate + 0.01]},
        "seed_macro": [rate] * 3,
        "recall": {"share": 0.3, "interval": [0.2, 0.35], "occurrences": 100},
        "updates": 2500,
        "hours": 0.25,
        "rtfx": 88.0,
        "against": {
            other: {
                "change": {"macro": sum(ends) / 2, "pooled": sum(ends) / 2},
                "intervals": {"macro": list(ends), "pooled": list(ends)},
                "difference": sum(ends) / 2,
                "mapsswe": 0.0001,
                "permutation": 0.0005,
                "holm": 0.0002,
            }
            for other, ends in against.items()
        },
    }


def _summary(recipe: str = "mini", *, failed: bool = True) -> dict[str, Any]:
    systems = {
        "paired": _row(0.4, {}),
        "joist": _row(0.3, {"paired": (-0.3, -0.2)}),
        "best": _row(0.3, {"paired": (-0.3, -0.2), "joist": (-0.02, 0.02)}),
    }
    shape = {"decoder": "full_context", "utterances": 66, "systems": systems}
    tables = [{"set": name, "part": part, **shape} for name, part in (("t_unheard", ""), ("t", ""), ("t", "seen"))]
    layer = {"best": 0.2, "framewise": 0.3, "random": 0.4, "mismatched": 0.5}
    layer |= {"before": {**layer, "best": 0.45}, "median_ms": {"best": 24.0, "framewise": 38.0}}
    layers = {
        "joist": [[{"layer": "a", **layer}, {"layer": "b", **layer}]] * 3,
        "best": [[{"layer": "a", **layer}, {"layer": "b", **layer, "best": 0.1, "spread": 0.34}]] * 3,
    }
    cells = [
        {"system": name, "seed": seed, "key": f"{name}_seed{seed}", "status": "finished", "message": "", "log": "x.log"}
        | {"updates": 2500, "hours": 0.26 if name == "best" else 0.25}
        for name in systems
        for seed in range(3)
    ]
    probes = {
        name: [{"speaker": {"chance": 0.02, "accuracy": {"log-mel features": 0.9, "streaming 1": value}}}] * 3
        for name, value in (("joist", 0.5), ("best", 0.4))
    }
    hidden = {
        "joist+text_only_it": _row(0.6, {"paired+text_only_it": (-0.4, -0.2)}),
        "paired+text_only_it": _row(0.9, {}),
    }
    tables.append({"set": "t", "part": "text_only", **shape, "systems": hidden})
    probes["best"] = [*probes["best"][:2], {**probes["best"][2], "phone": {"chance": 0.1, "accuracy": {}}}]
    control: dict[str, Any] = {
        "budget": "2500 updates",
        "cells": cells,
        "tables": tables,
        "dev_losses": {
            "paired": [{"streaming": 0.5, "full_context": 0.3}] * 3,
            "joist": [{"streaming": 0.25 + 0.01 * seed, "full_context": 0.15} for seed in range(3)],
        },
        "layers": layers,
        "probes": probes,
    }
    grid = {
        "name": "first",
        "conf": ["conf/train.yaml"],
        "systems": [*systems, *hidden],
        "seeds": [0, 1, 2],
        "align": True,
    }
    grid |= {"controls": list(BOTH), "baseline": "paired", "time_of": "paired", "overrides": ["--a.b", "1"]}
    controls = {name: json.loads(json.dumps(control)) for name in BOTH}
    controls["updates"]["cells"][0] |= {"status": "failed", "message": "train: out of memory"} if failed else {}
    for cell in controls["time"]["cells"]:
        cell["key"] += "_time"
    return {
        "kind": "comparison",
        "paces": {
            "paired": {"ctc": 0.01, "joint": 0.1},
            "joist": {"ctc": 0.01, "joint": 0.2},
            "best": {"ctc": 0.01, "joint": 0.2, "consistency": 0.21},
        },
        "name": "first",
        "recipe": recipe,
        "created": "2026-01-02T03:04:05+00:00",
        "grid": grid,
        "commits": ["0123456789abcdef"],
        "python": "3.11",
        "torch": "2.11",
        "hardware": ["2 cores of a machine"],
        "controls": controls,
    }


def test_each_claim_gets_the_verdict_that_its_numbers_give() -> None:
    verdicts = {claim.key: claim.judge([_summary(failed=False)]).verdict for claim in CLAIMS}
    expected: dict[str, Verdict] = {
        "injection": "confirmed",
        "unheard": "confirmed",
        "recall": "not confirmed",
        "natural": "confirmed",
        "consistency": "not confirmed",
        "nearer": "confirmed",
        "depth": "confirmed",
        "voices": "confirmed",
        "transfer": "confirmed",
        "cost": "confirmed",
    }
    assert {key: verdict for key, verdict in verdicts.items() if verdict != "not measured"} == expected
    lost = {claim.key: claim.judge([_summary()]) for claim in CLAIMS}
    assert lost["injection"].reason == "trainings have failed or are left"
    assert lost["consistency"].verdict == "not confirmed", "all trainings of these two are there"
    assert {claim.judge([]).verdict for claim in CLAIMS} == {"not measured"}


def test_the_loss_on_one_side_is_judged_as_on_both() -> None:
    judge = {claim.key: claim.judge for claim in CLAIMS}
    one_sided = json.loads(json.dumps(_summary(failed=False)).replace('"best"', '"best+stop_speech"'))
    both_sides, found = judge["consistency"]([_summary(failed=False)]), judge["one_sided"]([one_sided])
    assert (found.verdict, found.reason) == (both_sides.verdict, both_sides.reason)
    assert found.verdict != "not measured"
    assert judge["one_sided"]([_summary(failed=False)]).verdict == "not measured"


def test_many_languages_against_one() -> None:
    many, one = _summary(failed=False), _summary("ru", failed=False)
    claim = next(claim for claim in CLAIMS if claim.key == "multilingual")
    for control in one["controls"].values():
        for table in control["tables"]:
            for row in table["systems"].values():
                del row["rates"]["en"]
                if "joist" in row["against"]:
                    row["against"]["joist"]["intervals"]["macro"] = [0.1, 0.2]
    assert claim.judge([many]).verdict == "not measured"
    assert claim.judge([many, one]).verdict == "confirmed"
    uncounted = one["controls"]["updates"]["tables"][0]["systems"]
    uncounted["best"]["against"]["joist"]["intervals"]["macro"] = [-0.1, 0.2]
    assert claim.judge([many, one]).verdict == "cannot tell"
    uncounted["best"]["rates"]["macro"] = uncounted["joist"]["rates"]["macro"] = 0.95
    assert claim.judge([many, one]).verdict == "confirmed"


def test_the_details_say_how_and_where() -> None:
    text = details(_summary(), judged([_summary()]))
    for part in (
        "- mini/first, t, equal time, joist against paired: -25.0 [-30.0, -20.0] %, P < 0.001, 3 seeds",
        "cd egs/mini && ../../.venv/bin/python -m jointst compare --name first --conf conf/train.yaml",
        "--systems paired joist best",
        "--align -- --a.b 1",
        "2 cores of a machine",
        "commit 0123456789",
        "- failed: paired seed 0: train: out of memory (log: x.log)",
        "| joist | 3 | 30.0 [29.0, 31.0] | 30.0 | -25.0 [-30.0, -20.0] | < 0.001 | 30.0 [20.0, 35.0] | 2500 | 0.25 |",
        "| best | streaming 1 | 40.0 |",
        "speakers told apart from shared layers: 40.0 % with the loss, 50.0 % without; 3 seeds",
        "| joist | b | 0.200 | 0.300 | 0.400 | 0.500 | 0.40 | 0.90 | - | 24 (38) |",
        "| best | b | 0.100 | 0.300 | 0.400 | 0.500 | 0.20 | 0.90 | 0.34 | 24 (38) |",
    ):
        assert part in text, part
    page = html_of(_summary())
    probes = _summary()["controls"]["updates"]["probes"]
    assert probe_columns(probes) == probe_columns(dict(reversed(probes.items()))) == ["system", "layer", "speaker"]
    assert "own text / another" in page, "the figure of the layers"
    begun = _summary()
    del begun["controls"]["time"]
    for text in (details(begun, []), text_of(begun)):
        assert "Equal training time: not begun, since cells at equal updates are left" in text
    assert "t, full-context decoder, languages without training speech (66 utterances)" in text_of(_summary())
    assert "t, full-context decoder, voices heard in training (66 utterances)" in text_of(_summary())


def test_the_document_is_short_and_has_a_figure_for_each_claim() -> None:
    text, drawn = document([_summary()]), pictures([_summary()])
    for part in (
        "| [injection](#injection) | Text injection lowers",
        "**Not confirmed**: every interval excludes a gain of 5.0 % relative.",
        "**Not measured**",
        "4 measurements, 4 of which count; the lowest and the highest:",
        "![injection](docs/results/injection.svg)",
        "![Error rates with and without text](docs/results/text.svg)",
        "| [mini/first](egs/mini/results/first.md) | paired, joist, best,",
    ):
        assert part in text, part
    assert {f"docs/results/{name}" for name in drawn} == set(re.findall(r"\((docs/results/[^)]*svg)\)", text))
    assert all(svg.rstrip().endswith("</svg>") for svg in drawn.values())
    assert pictures([_summary()]) == drawn, "made again, they are the same"
    sections = text[text.index("## Claims") : text.index("## Comparisons")].split("### ")[1:]
    assert len(sections) == len(CLAIMS)
    assert max(section.count("\n- ") for section in sections) <= 3
    page = results_page([_summary()], drawn)
    assert "joist against paired: -25.0 [-30.0, -20.0] %" in page
    assert page.count("<svg") == len(drawn)
    empty = document([])
    assert "No comparison is stored yet." in empty
    assert "svg" not in empty
    assert pictures([]) == {}
    assert "<svg" not in results_page([], {})


def test_hours_count_a_training_once_under_whichever_controls_it_stands() -> None:
    own = _summary()
    names = {cell["system"] for cell in own["controls"]["updates"]["cells"]}
    once = 3 * (0.25 * (len(names) - 1) + 0.26)
    assert training_hours(own) == pytest.approx(2 * once), "those at equal time are others"
    for cell in own["controls"]["time"]["cells"]:
        cell["key"] = cell["key"].removesuffix("_time")
    assert training_hours(own) == pytest.approx(once)
    own["controls"]["time"]["cells"][0]["hours"] = None  # not trained yet
    own["controls"]["time"]["cells"][0]["key"] = "another"
    assert training_hours(own) == pytest.approx(once)
    assert f"All trainings together took {once:.0f} h by the clock" in document([own])


def test_what_settings_are_chosen_by_judges_no_claim() -> None:
    dev = {**_summary(failed=False), "name": "why", "dev_sets": ["mini_dev"]}
    counted, shown = document([_summary(failed=False)]), document([dev, _summary(failed=False)])
    claims = counted[counted.index("## Claims") : counted.index("## Comparisons")]
    assert claims in shown
    assert "| confirmed |" in counted
    assert "| confirmed |" not in document([dev])
    assert "| settings were chosen by it |" in shown
    assert "with mini_dev: it judges no claim" in details(dev, [])


def test_what_is_stored_is_whole_again_when_it_is_read(tmp_path: Path) -> None:
    """Each pair once, and nothing lost: not the adjusted P values against a baseline that is not the first."""
    whole = _summary()
    for control in whole["controls"].values():
        for table in control["tables"]:
            for name, row in table["systems"].items():
                for other, own in list(row["against"].items()):
                    low, high = own["intervals"]["macro"]
                    ends = [1 / (1 + high) - 1, 1 / (1 + low) - 1]
                    turned = 1 / (1 + own["change"]["macro"]) - 1
                    table["systems"][other]["against"][name] = {
                        "change": {"macro": turned, "pooled": turned},
                        "intervals": {"macro": ends, "pooled": ends},
                        "difference": -own["difference"],
                        **{key: own[key] for key in ("mapsswe", "permutation")},
                    }
    path = tmp_path / "first.json"
    pairs = json.dumps(whole).count("mapsswe")
    for baseline, kept in (("paired", pairs / 2), ("best", 0.8 * pairs)):
        whole["grid"]["baseline"] = baseline
        path.write_text(stored_text(whole))
        assert path.read_text().count("mapsswe") <= kept
        [again] = read_stored([path])
        assert _flat(again) == pytest.approx(_flat(whole))
        path.write_text(json.dumps(whole))  # as versions before stored it
        assert _flat(read_stored([path])[0]) == pytest.approx(_flat(whole))
    gone = whole["controls"]["updates"]["tables"][0]["systems"]
    gone["joist"]["against"]["paired"]["change"]["macro"] = -1.0  # no errors are left
    del gone["paired"]["against"]["joist"]
    path.write_text(json.dumps(whole))
    turned = read_stored([path])[0]["controls"]["updates"]["tables"][0]["systems"]["paired"]["against"]["joist"]
    assert turned["change"]["macro"] == float("inf")


def _flat(value: Any, path: str = "") -> dict[str, float]:
    """All numbers by their paths."""
    if isinstance(value, dict):
        return {key: own for name, item in value.items() for key, own in _flat(item, f"{path}/{name}").items()}
    if isinstance(value, list):
        return {key: own for n, item in enumerate(value) for key, own in _flat(item, f"{path}/{n}").items()}
    return {path: value} if isinstance(value, (int, float)) else {}


def test_the_command_writes_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = tmp_path / "first.json"
    stored.write_text(stored_text(_summary()))
    other = tmp_path / "other.json"
    other.write_text('{"kind": "layers"}')
    out = tmp_path / "RESULTS.md"
    assert main(["results", str(stored), str(other), "--out", str(out)]) == 0
    assert out.read_text() == document(read_stored([stored]))
    for linked in re.findall(r"\]\(((?:docs|egs)/[^)#]*)\)", out.read_text()):
        assert (tmp_path / linked).is_file(), linked
    assert "1 comparisons, 0 recipes ->" in capsys.readouterr().out
    stored.write_text("{")
    assert main(["results", str(stored), "--out", str(out)]) == 1
    assert "first.json: cannot be read" in capsys.readouterr().err


def test_dev_losses_are_laid_beside_those_of_the_baseline_seed_by_seed() -> None:
    losses = _summary()["controls"]["updates"]["dev_losses"]
    assert dev_columns(losses, "paired") == ["system", "seeds", "streaming", "full-context", "change from paired, %"]
    assert dev_rows(losses, "paired") == [
        ["paired", 3, "0.5000", "0.3000", "-"],
        ["joist", 3, "0.2600", "0.1500", "-48.8 (-50.0, -48.8, -47.5)"],
    ]
    assert dev_rows({**losses, "joist": losses["joist"][:2]}, "paired")[1][-1] == "-", "other seeds"

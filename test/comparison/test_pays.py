"""When text and the consistency loss pay: gains over minutes of speech, and over words that only text has."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jointst.comparison.collect import CellScores, Line
from jointst.comparison.evidence import changes, without_minutes
from jointst.comparison.pays import BINS, by_share, gains, over_minutes, over_share
from jointst.comparison.results import pays_figures

KEY = ("t_test", "full_context")


def scores(errors: Sequence[int], occurrences: Sequence[int], *, lang: str = "en", length: int = 10) -> CellScores:
    """A seed's utterances of ten words each."""
    lines = {
        f"{lang}{i:03d}": Line(
            lang=lang, voice=None, errors=wrong, length=length, words=10, recognised=0, occurrences=unheard
        )
        for i, (wrong, unheard) in enumerate(zip(errors, occurrences, strict=True))
    }
    return CellScores(lines={KEY: lines}, rtfx={}, updates=9, seconds=1.0, dev_losses={}, versions={})


def both(first: CellScores, second: CellScores) -> CellScores:
    return dataclasses.replace(first, lines={KEY: {**first.lines[KEY], **second.lines[KEY]}})


def test_systems_are_known_whatever_speech_they_have() -> None:
    assert without_minutes("paired") == "paired"
    assert without_minutes("best+stop_speech+minutes_30") == "best+stop_speech"
    assert without_minutes("minutes_2.5+best") == "best"


def test_changes_by_the_share_of_words_never_heard() -> None:
    unheard = [0] * 30 + [1] * 30 + [5] * 30 + [3] * 5
    paired = scores([4] * 95, unheard)
    joist = scores([4] * 30 + [3] * 30 + [1] * 30 + [0] * 5, unheard)
    rows = by_share({"paired": [paired] * 2, "joist": [joist] * 2}, KEY, Path("there"))
    assert [(row["system"], row["against"], row["utterances"]) for row in rows] == [("joist", "paired", 30)] * 3
    assert [row["share"] for row in rows] == [list(BINS[0]), list(BINS[1]), list(BINS[3])], "five utterances are few"
    assert [row["change"] for row in rows] == pytest.approx([0.0, -0.25, -0.75])
    assert rows[1]["rates"] == pytest.approx([0.3, 0.4])
    for row in rows:
        assert row["interval"] == pytest.approx([row["change"]] * 2)


def test_languages_count_alike_and_shares_are_of_words_where_characters_are_scored() -> None:
    few = [5] * 20
    paired = both(scores([4] * 20, few), scores([10] * 20, few, lang="ja", length=60))
    joist = both(scores([2] * 20, few), scores([12] * 20, few, lang="ja", length=60))
    [row] = by_share({"paired": [paired], "joist": [joist]}, KEY, Path("there"))
    assert row["utterances"] == 40, "half of the words, not a twelfth of the characters"
    assert row["change"] == pytest.approx((0.2 + 0.2) / (0.4 + 1 / 6) - 1)


def test_what_has_no_errors_cannot_have_fewer() -> None:
    perfect = scores([0] * 30, [0] * 30)
    assert by_share({"paired": [perfect], "joist": [perfect]}, KEY, Path("there")) == []


def test_the_same_part_is_in_every_name() -> None:
    less = scores([4] * 30, [0] * 30)
    names = ("paired+minutes_30", "joist+minutes_30", "best+minutes_30")
    rows = by_share({name: [less] for name in names}, KEY, Path("there"))
    assert [(row["system"], row["against"]) for row in rows] == [
        ("joist+minutes_30", "paired+minutes_30"),
        ("best+minutes_30", "joist+minutes_30"),
    ]


def summary(rates: dict[str, float], *, minutes: float = 0.0, share: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    systems = {
        name: {
            "rates": {"macro": rate},
            "against": {
                other: {"change": {"macro": rate / theirs - 1}, "intervals": {"macro": [rate / theirs - 1.1] * 2}}
                for other, theirs in rates.items()
                if other != name
            },
        }
        for name, rate in rates.items()
    }
    cells = [{"system": name, "key": f"{name}_seed0", "status": "finished"} for name in rates]
    table = {"set": "t_test", "decoder": "full_context", "part": "", "systems": systems}
    return {
        "recipe": "sw",
        "name": "hours",
        "grid": {"conf": ["conf/train.yaml"], "overrides": []},
        **({"paired_minutes": minutes} if minutes else {}),
        "controls": {
            "updates": {"cells": cells, "tables": [table], "by_share": {"t_test": list(share)} if share else {}}
        },
    }


def test_gains_over_minutes_are_drawn_where_they_were_measured() -> None:
    stored = [
        summary({"paired": 0.4, "joist": 0.4}, minutes=217.5),
        summary({"paired+minutes_10": 0.6, "joist+minutes_10": 0.3}, minutes=10.1),
        summary({"paired+minutes_1": 0.9, "joist+minutes_1": 0.85}, minutes=1),  # too many errors to count
        summary({"paired": 0.4, "joist": 0.1}),  # from before minutes were stored
        {**summary({"paired": 0.4, "joist": 0.1}, minutes=50), "recipe": "ru"},  # a single point
    ]
    [(label, points)] = over_minutes(stored)
    assert label == "sw, t_test, equal updates: joist against paired"
    assert [(place, round(change, 3)) for place, change, _ in points] == [(10.1, -0.5), (217.5, 0.0)]
    drawn = gains(over_minutes(stored), "minutes of paired speech")
    assert [text.get_text() for text in drawn.axes[0].get_xticklabels()] == ["10", "218"]
    assert over_share(stored) == []


def test_gains_at_equal_time_are_rows_of_their_own() -> None:
    stored = [summary({"paired": 0.4, "joist": rate}, minutes=minutes) for rate, minutes in ((0.2, 10), (0.3, 100))]
    for own in stored:
        own["controls"]["time"] = summary({"paired": 0.4, "joist": 0.6})["controls"]["updates"]
        own["controls"]["time"]["cells"][0]["key"] += "_time"
    updates, time = over_minutes(stored)
    assert [updates[0], time[0]] == [
        f"sw, t_test, equal {control}: joist against paired" for control in ("updates", "time")
    ]
    assert [round(change, 3) for _, change, _ in updates[1]] == [-0.5, -0.25]
    assert [round(change, 3) for _, change, _ in time[1]] == [0.5, 0.5]
    for own in stored:
        own["controls"]["time"]["cells"][0]["key"] = "paired_seed0"
    assert over_minutes(stored) == [updates], "the same trainings"
    stored[1]["grid"]["overrides"] = ["--training.max_updates", "9"]
    assert over_minutes(stored) == [], "other trainings"


def row(ends: Sequence[float], rate: float = 0.5) -> dict[str, Any]:
    known = {"system": "joist", "against": "paired", "utterances": 30, "change": -0.1, "interval": None}
    return {**known, "share": list(ends), "rates": [rate, rate + 0.1]}


def test_gains_over_the_share_are_drawn_where_they_were_measured() -> None:
    stored = [
        summary({"paired": 0.5}, share=[row(BINS[0]), row(BINS[2]), row((0.3, 0.4))]),
        {**summary({"paired": 0.5}, share=[row(BINS[0]), row(BINS[2], 0.9)]), "recipe": "ru"},
    ]
    [(label, points)] = over_share(stored)
    assert label == "sw/hours, t_test: joist against paired", "one bin is no line"
    assert points == [(0.0, -0.1, None), (2.0, -0.1, None)]
    assert over_minutes(stored) == []


def test_points_of_many_rows_stay_by_their_places() -> None:
    rows = [(f"row {i}", [(0.0, -0.1, (-0.2, 0.0)), (1.0, 0.1, None)]) for i in range(40)]
    lines = gains(rows, "share", ["none", "some"]).axes[0].get_lines()
    drawn = [line.get_xdata() for line in lines if line.get_marker() == "o"]
    assert len(drawn) == 40
    assert all(abs(x[0]) < 0.3 and abs(x[1] - 1) < 0.3 for x in drawn)


def test_the_results_hold_both_figures() -> None:
    shares = [row(BINS[0]), row(BINS[2])]
    stored = [
        summary({"paired": 0.4, "joist": 0.3}, minutes=217.5, share=shares),
        summary({"paired": 0.4, "joist": 0.3}, minutes=10.1),
    ]
    found = pays_figures(stored)
    assert set(found) == {"minutes.svg", "share.svg"}
    assert pays_figures(stored[1:]) == {}


def test_claims_are_judged_by_some_minutes_of_speech_as_well() -> None:
    own = summary({"paired+minutes_10": 0.5, "joist+minutes_10": 0.4}, minutes=10)
    for system in own["controls"]["updates"]["tables"][0]["systems"].values():
        system["seeds"] = 3
        for against in system["against"].values():
            against |= {"difference": -1.0, "mapsswe": 0.01}
    [found] = changes([own], "joist", "paired")
    assert found.where == "sw/hours, t_test, equal updates, joist+minutes_10 against paired+minutes_10"
    assert found.value == pytest.approx(-0.2)
    assert changes([own], "best", "joist") == []

"""When text and the consistency loss pay: gains over minutes of speech, and over words that only text has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jointst.comparison.collect import CellScores, Line
from jointst.comparison.pays import BINS, by_share, gains, over_minutes, over_share, without_minutes

KEY = ("t_test", "full_context")


def scores(errors: Sequence[int], occurrences: Sequence[int]) -> CellScores:
    """A seed's utterances of ten words each."""
    lines = {
        f"utt{i:03d}": Line(lang="en", voice=None, errors=wrong, length=10, recognised=0, occurrences=unheard)
        for i, (wrong, unheard) in enumerate(zip(errors, occurrences, strict=True))
    }
    return CellScores(lines={KEY: lines}, rtfx={}, updates=9, seconds=1.0, dev_losses={}, versions={})


def test_systems_tell_how_much_speech_they_have() -> None:
    assert without_minutes("paired") == ("paired", None)
    assert without_minutes("best+stop_speech+minutes_30") == ("best+stop_speech", 30.0)
    assert without_minutes("minutes_2.5+best") == ("best", 2.5)


def test_changes_by_the_share_of_words_never_heard() -> None:
    unheard = [0] * 30 + [1] * 30 + [5] * 30 + [3] * 5
    paired = scores([4] * 95, unheard)
    joist = scores([4] * 30 + [3] * 30 + [1] * 30 + [0] * 5, unheard)
    rows = by_share({"paired": [paired] * 2, "joist": [joist] * 2}, KEY, Path("there"))
    assert [(row["system"], row["against"], row["utterances"]) for row in rows] == [("joist", "paired", 30)] * 3
    assert [row["share"] for row in rows] == [list(BINS[0]), list(BINS[1]), list(BINS[3])], "five utterances are few"
    assert [row["change"] for row in rows] == pytest.approx([0.0, -0.25, -0.75])
    for row in rows:
        assert row["interval"] == pytest.approx([row["change"]] * 2)


def test_what_has_no_errors_cannot_have_fewer() -> None:
    perfect = scores([0] * 30, [0] * 30)
    assert by_share({"paired": [perfect], "joist": [perfect]}, KEY, Path("there")) == []


def test_systems_are_measured_against_those_with_as_much_speech() -> None:
    less, more = scores([4] * 30, [0] * 30), scores([2] * 30, [0] * 30)
    names = ("paired+minutes_10", "paired+minutes_30", "joist+minutes_30", "best+minutes_10")
    rows = by_share({name: [more if "30" in name else less] for name in names}, KEY, Path("there"))
    assert [(row["system"], row["against"]) for row in rows] == [("joist+minutes_30", "paired+minutes_30")]


def summary(rates: dict[str, float], share: list[dict[str, Any]]) -> dict[str, Any]:
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
    table = {"set": "t_test", "decoder": "full_context", "part": "", "systems": systems}
    return {
        "recipe": "sw",
        "name": "hours",
        "controls": {"updates": {"tables": [table], "by_share": {"t_test": share} if share else {}}},
    }


def test_gains_over_minutes_are_drawn_where_they_were_measured() -> None:
    rates = {
        "paired+minutes_30": 0.5,
        "joist+minutes_30": 0.45,
        "paired+minutes_10": 0.6,
        "joist+minutes_10": 0.3,
        "paired+minutes_1": 0.9,
        "joist+minutes_1": 0.85,
        "paired": 0.4,
        "joist": 0.4,
    }
    stored = [summary(rates, [])]
    [(label, points)] = over_minutes(stored)
    assert label == "sw/hours, t_test: joist against paired"
    assert [(place, round(change, 3)) for place, change, _ in points] == [(10, -0.5), (30, -0.1)], "0.85 is too much"
    drawn = gains(over_minutes(stored), "minutes of paired speech")
    assert [text.get_text() for text in drawn.axes[0].get_xticklabels()] == ["10", "30"]
    assert over_share(stored) == []


def test_gains_over_the_share_are_drawn_where_they_were_measured() -> None:
    bins = [
        {
            "system": "joist",
            "against": "paired",
            "share": list(ends),
            "utterances": 30,
            "change": -0.1,
            "interval": None,
        }
        for ends in (BINS[0], BINS[2])
    ]
    stored = [summary({"paired": 0.5}, bins), {**summary({"paired": 0.5}, bins[:1]), "recipe": "ru"}]
    [(label, points)] = over_share(stored)
    assert label == "sw/hours, t_test: joist against paired", "one bin is no line"
    assert points == [(0.0, -0.1, None), (2.0, -0.1, None)]
    assert over_minutes(stored) == []

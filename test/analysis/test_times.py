"""Errors of alignments in time: matching of phones, starts under an alignment, and the grid."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from jointst.analysis.align import run
from jointst.analysis.times import BatchTimes, match_phones, phone_starts, summarise, true_starts
from jointst.config.context import Context
from jointst.kaldi.phone_times import PhoneTime, write_phone_times
from jointst.scoring.score import run as score


def test_phones_match_in_spite_of_other_symbols() -> None:
    assert match_phones(["o1", "t", "ɑ3"], ["o", "t", "ɑ"]) == [0, 1, 2]
    # festvox-ru writes soft consonants twice and vowels its own way.
    assert match_phones(["k", "ʌ", "rʲ", "i"], ["k", "ay", "rr", "ae"]) == [0, 1, 2, 3]
    # A vowel that was not said, and a consonant that was said twice.
    assert match_phones(["d", "ə", "t"], ["d", "t"]) == [0, -1, 1]
    assert match_phones(["a", "t"], ["a", "t", "t", "s"])[0] == 0
    assert match_phones([], ["a"]) == []


def test_starts_leave_silence_out() -> None:
    times = [PhoneTime("sil", 0, 0.2), PhoneTime("t", 0.2, 0.3), PhoneTime("sil", 0.3, 0.5), PhoneTime("a", 0.5, 0.6)]
    assert true_starts(["t", "a"], times).tolist() == [0.2, 0.5]
    assert np.isnan(true_starts(["t", "k", "a"], times)).tolist() == [False, True, False]


def test_a_skipped_phone_begins_where_the_next_does() -> None:
    phone_of = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    index = np.array([0, 1, 1, 4, 5])  # phone 1 is skipped, phone 3 never begins
    assert phone_starts(index, phone_of, 4).tolist() == [0, 3, 3, 5]


def test_errors_are_found_minus_true() -> None:
    times = {"u": [PhoneTime("t", 0.04, 0.1), PhoneTime("a", 0.1, 0.2)]}
    batch = BatchTimes.of(["u", "v"], [["t", "a"], ["t"]], [[2, 2], [1]], times, 0.04)
    index = torch.tensor([[0, 1, 1, 2, 3], [0, 0, 0, 0, 0]])
    assert batch.errors(index, torch.tensor([5, 5])) == pytest.approx([-0.04, 0.02])
    assert batch.grid_errors() == pytest.approx([0.0, -0.02])  # v has no times: it counts nowhere
    found = summarise([-0.04, 0.02, 0.2])
    assert found["median_ms"] == pytest.approx(40)
    assert found["bias_ms"] == pytest.approx(20)
    assert found["within_50_ms"] == pytest.approx(2 / 3)
    assert found["within_100_ms"] == pytest.approx(2 / 3)


def test_the_stage_reports_milliseconds_before_and_after_training(
    toy: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    score(toy)
    spoken = {}
    for line in (toy.data / "t_dev/phones").read_text().splitlines():
        utterance, *phones = line.split(" ")
        spoken[utterance] = [PhoneTime(p, 0.05 * i, 0.05 * i + 0.05) for i, p in enumerate(phones)]
    unknown = sorted(spoken)[0]
    del spoken[unknown]
    write_phone_times(toy.data / "t_dev", spoken)
    page = run(toy).where.read_text()
    result = json.loads((toy.exp / "align/layers.json").read_text())
    assert [point["name"] for point in result["along"]] == ["before training"]
    for layer in (*result["layers"], *result["along"][0]["layers"]):
        assert layer["times"]["best"]["phones"] == sum(map(len, spoken.values()))
        assert layer["times"]["grid"]["median_ms"] <= 20
        # The phones are evenly spaced up to the last 80 ms of an utterance.
        assert layer["times"]["framewise"]["median_ms"] <= 40.01 < layer["times"]["best"]["median_ms"]
    # The toy model is what its seed draws: nothing has been trained, so both points are one.
    assert result["along"][0]["layers"] == result["layers"]
    assert "how far the best alignment is off" in capsys.readouterr().out
    assert 'id="times"' in page
    assert "Does it know when each sound begins?" in page

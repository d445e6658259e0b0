"""Tables line up."""

from __future__ import annotations

import pytest

from jointst.scoring.table import percent, table


def test_columns_line_up_and_groups_stand_over_their_columns() -> None:
    text = table(
        ["lang", "WER", "CER"],
        [["en", 12.5, None], None, ["macro", 7.25, 3]],
        title="a set",
        groups=[("", 1), ("full context", 2)],
        decimals=1,
    )
    lines = text.splitlines()
    assert lines[0] == "a set"
    assert "full context" in lines[1]
    assert lines[4].startswith("en ")
    assert lines[4].endswith("-")
    assert set(lines[3]) == set(lines[5]) == {"-"}
    ends = {len(line) for line in (lines[1], lines[2], lines[3], lines[4], lines[6])}
    assert len(ends) == 1


def test_percent() -> None:
    assert percent(0.12345) == "12.3"
    assert percent(None) == "-"


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells under 1"):
        table(["a"], [["x", "y"]])

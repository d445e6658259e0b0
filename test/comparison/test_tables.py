"""Tables of a comparison whose systems have not all the same decoders."""

from __future__ import annotations

from jointst.comparison.tables import dev_columns, dev_rows

BOTH = {"streaming": 2.0, "full_context": 1.0}


def test_dev_losses_are_compared_on_the_decoders_that_all_have() -> None:
    losses = {"own": [BOTH, BOTH], "pretrained": [{"full_context": 0.5}, {"full_context": 0.75}]}
    assert dev_columns(losses, "own") == ["system", "seeds", "full-context", "change from own, %"]
    assert dev_rows(losses, "own") == [
        ["own", 2, "1.0000", "-"],
        ["pretrained", 2, "0.6250", "-37.5 (-50.0, -25.0)"],
    ]


def test_dev_losses_of_two_decoders_are_both_shown() -> None:
    losses = {"own": [BOTH], "better": [{"streaming": 1.0, "full_context": 0.5}]}
    assert dev_columns(losses, "own") == ["system", "seeds", "streaming", "full-context", "change from own, %"]
    assert dev_rows(losses, "own")[1] == ["better", 1, "1.0000", "0.5000", "-50.0 (-50.0)"]

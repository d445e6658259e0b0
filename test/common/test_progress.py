"""Progress bars: what is shown."""

from __future__ import annotations

import pytest

from jointst.common import progress
from jointst.common.progress import progress as make_bar


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_INTERVAL", 0.0)


def test_the_bars_own_guess_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    for guess in (True, False):
        with make_bar(total=8, desc="train", unit="update", guess=guess) as bar:
            bar.set_postfix_str("joint, 13 min to go", refresh=False)
            bar.update(2)
    guessed, told = (lines[-1] for lines in _bars(capsys.readouterr().err))
    assert "<" in guessed, "tqdm: elapsed<left"
    assert "<" not in told
    assert told.startswith("train:  25%|")
    assert "| 2/8 [00:00, " in told
    assert told.endswith(" update/s, joint, 13 min to go]")


def _bars(text: str) -> list[list[str]]:
    lines = text.splitlines()
    begins = [i for i, line in enumerate(lines) if "0/8" in line]
    return [lines[first:end] for first, end in zip(begins, [*begins[1:], len(lines)], strict=True)]


def test_what_was_done_before_is_not_in_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with make_bar(total=8, initial=6, desc="train", guess=False) as bar:
        assert bar.n == 6
        assert bar.format_dict["initial"] == 6
        bar.update(1)
    assert "| 7/8 [" in capsys.readouterr().err

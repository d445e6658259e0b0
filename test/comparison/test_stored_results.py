"""RESULTS.md and the tables beside recipes are what ``jointst results`` makes of the stored comparisons."""

from __future__ import annotations

import pytest

from jointst.common.versions import ROOT
from jointst.comparison.details import details
from jointst.comparison.recipes import KIND
from jointst.comparison.results import document, judged
from jointst.comparison.stored import read_stored

FILES = sorted(ROOT.glob("egs/*/results/*.json"))
STORED = read_stored(FILES)


def test_results_are_of_what_is_stored() -> None:
    assert STORED
    assert (ROOT / "RESULTS.md").read_text() == document(STORED, read_stored(FILES, KIND)), "run: jointst results"


@pytest.mark.parametrize("summary", STORED, ids=lambda summary: f"{summary['recipe']}-{summary['name']}")
def test_tables_are_of_what_is_stored(summary: dict[str, object]) -> None:
    path = ROOT / "egs" / str(summary["recipe"]) / "results" / f"{summary['name']}.md"
    assert path.read_text() == details(summary, judged(STORED)), "run: jointst results"

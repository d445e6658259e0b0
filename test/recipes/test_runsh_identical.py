"""Every recipe has the same tiny run.sh, a conf/train.yaml and a README.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jointst.common.languages import LANGUAGES

EGS = Path(__file__).resolve().parents[2] / "egs"
RECIPES = sorted(path.name for path in EGS.iterdir() if path.is_dir() and path.name != "systems")


def test_there_are_recipes() -> None:
    assert {"mini", "prompts", "multi11", *LANGUAGES} <= set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_runsh_is_the_same_everywhere(recipe: str) -> None:
    script = EGS / recipe / "run.sh"
    assert script.read_text() == (EGS / "mini" / "run.sh").read_text()
    assert len(script.read_text().splitlines()) <= 5
    assert os.access(script, os.X_OK)
    assert not script.is_symlink()


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_holds_no_code(recipe: str) -> None:
    made = {"data", "dump", "exp", "downloads"}  # ignored by git
    own = {path.name for path in (EGS / recipe).iterdir() if path.name not in made}
    assert own - {"results"} == {"run.sh", "conf", "README.md"}
    results = {path.suffix for path in (EGS / recipe / "results").glob("*")}
    assert results <= {".json", ".md"}
    assert all(path.suffix == ".yaml" for path in (EGS / recipe / "conf").iterdir())

"""Settings files of the recipes: they parse, they repeat no default value, and they say what to expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from jointst.common.languages import LANGUAGES
from jointst.config.load import from_yaml, parse, to_yaml
from jointst.data.corpora.libreoffice_help import HELP, MESSAGES

EGS = Path(__file__).resolve().parents[2] / "egs"
CONFS = sorted(EGS.glob("*/conf/*.yaml"))
IDS = [str(path.relative_to(EGS)) for path in CONFS]


def flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def repeated(stated: dict[str, Any]) -> list[str]:
    """Keys of ``stated`` that hold the value they would have anyway."""
    size = stated.get("model", {}).get("size")
    default = parse("train", "", [] if size is None else ["--model.size", size]).config
    plain = flatten(yaml.safe_load(to_yaml(default)))
    return [key for key, value in flatten(stated).items() if key != "model.size" and plain[key] == value]


@pytest.mark.parametrize("path", CONFS, ids=IDS)
def test_conf_parses(path: Path) -> None:
    config = from_yaml(path)
    assert set(config.corpus.languages) <= set(LANGUAGES)


@pytest.mark.parametrize("path", CONFS, ids=IDS)
def test_conf_repeats_no_default(path: Path) -> None:
    assert repeated(yaml.safe_load(path.read_text())) == []


def test_repeated_values_are_found() -> None:
    assert repeated({"training": {"seed": 0, "max_updates": 7}}) == ["training.seed"]
    assert repeated({"model": {"size": "small", "dim": 256, "heads": 8}}) == ["model.dim"]


@pytest.mark.parametrize("path", CONFS, ids=IDS)
def test_conf_opens_with_command_hours_hardware_and_number(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith(f"# ./egs/{path.parents[1].name}/run.sh")
    for part in ("hours:", "hardware:", "expected:"):
        assert part in first, f"{path}: {part} is missing from the first line"


@pytest.mark.parametrize("path", CONFS, ids=IDS)
def test_sets_come_from_the_sources(path: Path) -> None:
    config = from_yaml(path)
    for name in (*config.data.train, *config.data.dev, *config.data.test, *config.data.unpaired):
        assert any(name.startswith(f"{source}_") for source in config.corpus.sources), name


def test_language_embedding_is_all_that_differs() -> None:
    plain, embedded = (
        yaml.safe_load((EGS / f"multi11/conf/{name}.yaml").read_text()) for name in ("train", "language_embedding")
    )
    assert embedded.pop("model") == {"language_embedding": True}
    assert embedded == plain


def test_recipes_of_a_language_name_it_alone() -> None:
    for code in LANGUAGES:
        for path in (EGS / code / "conf").glob("*.yaml"):
            assert from_yaml(path).corpus.languages == (code,), path


def test_fleurs_is_the_same_in_every_language() -> None:
    def without_language(code: str) -> dict[str, Any]:
        settings: dict[str, Any] = yaml.safe_load((EGS / code / "conf/fleurs.yaml").read_text())
        del settings["corpus"]["languages"]
        return settings

    assert all(without_language(code) == without_language("ar") for code in {*HELP, *MESSAGES})

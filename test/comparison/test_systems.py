"""Every system trains from its YAML through the one training stage, and is what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from comparison.conftest import SYSTEMS

from jointst.config import Config
from jointst.config.conf_file import check_conf
from jointst.config.context import Context
from jointst.config.load import parse
from jointst.training.log import read_log
from jointst.training.train import run

NAMES = sorted(path.stem for path in SYSTEMS.glob("*.yaml"))
ABLATIONS = sorted(path.stem for path in (SYSTEMS / "ablations").glob("*.yaml"))
MINI = SYSTEMS.parent / "mini" / "conf" / "train.yaml"


def layered(base: Path | str, *names: str) -> Context:
    files = [str(base)]
    for name in names:
        files.append(str(next(SYSTEMS.rglob(f"{name}.yaml"))))
    return parse("train", "", [word for file in files for word in ("--conf", file)])


def parts(context: Context) -> set[str]:
    """Named losses of the last update."""
    run(context)
    lines = [line for line in read_log(context.exp / "log.jsonl") if "loss" in line]
    assert lines[-1]["update"] == context.config.training.max_updates
    return set(lines[-1])


def test_the_systems_of_the_paper_and_its_rivals_are_there() -> None:
    assert {"paired", "joist", "framewise", "random", "best", "mas", "soft_dtw", "sinkhorn"} <= set(NAMES)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("forced", "self_training")])
def test_every_system_trains_from_its_yaml(recipe: Context, name: str) -> None:
    context = layered("conf/train.yaml", name)
    assert context.name == name
    found = parts(context)
    assert {"ctc", "speech_streaming", "speech_full_context"} <= found
    assert ("text_full_context" in found) == (name != "paired")
    assert ("consistency" in found) == (name not in ("paired", "joist"))
    if "consistency" in found:
        assert context.config.loss.consistency.alignment == name


@pytest.mark.parametrize(
    "name", ["streaming_only", "full_context_only", "layers_deep", "text_pieces", "upsample_gaussian"]
)
def test_ablations_train_on_top_of_best(recipe: Context, name: str) -> None:
    found = parts(layered("conf/train.yaml", "best", name))
    assert "consistency" in found
    assert ("speech_streaming" in found) == (name != "full_context_only")
    assert ("speech_full_context" in found) == (name != "streaming_only")
    if name == "layers_deep":
        assert [key for key in found if key.startswith("consistency/")] == ["consistency/layer2"]


def test_systems_and_ablations_leave_features_and_schedule_to_the_recipe() -> None:
    for path in SYSTEMS.rglob("*.yaml"):
        assert check_conf(path, Config), path
        stated = yaml.safe_load(path.read_text())
        assert stated.keys() <= {"loss", "model", "tokenizer", "data"}, path
        assert stated.get("data", {}).keys() <= {"paired_minutes"}, path
        assert stated.get("model", {}).keys() <= {"text_encoder", "ctc_target", "decoder"}, path
        assert stated.get("model", {}).get("decoder", {}).keys() <= {"band"}, path
        assert stated.get("tokenizer", {}).keys() <= {"text_input"}, path


@pytest.mark.parametrize("level", range(4))
def test_every_level_of_every_ablation_can_work(level: int) -> None:
    kinds: dict[str, list[str]] = {}
    for name in ABLATIONS:
        kinds.setdefault(name.split("_")[0], []).append(name)
    names = [levels[level] for levels in kinds.values() if level < len(levels)]
    assert layered(MINI, "best", *names).config != layered(MINI, "best").config


def test_an_ablation_states_one_thing_and_says_what() -> None:
    for path in (SYSTEMS / "ablations").glob("*.yaml"):
        first, second = path.read_text().splitlines()
        assert first.startswith("# "), path
        assert len(yaml.safe_load(second)) == 1, path


def test_levels_of_an_ablation_that_are_the_default_change_nothing() -> None:
    best = layered(MINI, "best").config
    assert (
        layered(MINI, "best", "mask_15", "upsample_2", "weight_0.3", "layers_all", "text_phones", "ctc_phones").config
        == best
    )

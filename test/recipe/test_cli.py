"""The command line: commands, exit statuses, messages without tracebacks."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from jointst.config import Config
from jointst.recipe.cli import main
from jointst.recipe.stages import STAGES


def test_no_arguments_prints_the_usage_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "usage: jointst" in capsys.readouterr().out


def test_help_names_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for stage in STAGES:
        assert f"{stage.number:2d}  {stage.name}" in shown


def leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_of_a_stage_is_one_screen_and_names_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    shown = helped(capsys, "train", "--help")
    assert len(shown.splitlines()) < 60
    for part in ("--conf FILE", "--nproc", "train the joint model", "loss", "training"):
        assert part in shown
    assert "--nproc" not in helped(capsys, "corpus", "-h")


def test_help_of_a_section_has_its_settings_and_those_inside(capsys: pytest.CaptureFixture[str]) -> None:
    shown = helped(capsys, "train", "--conf", "not/read.yaml", "--help", "loss")
    for name in ("--loss.text ", "--loss.consistency.weight ", "--loss.consistency.alignment "):
        assert name in shown
    assert "(best, of" in shown
    assert "--training." not in shown
    one = helped(capsys, "train", "--help", "--training.peak_rate")
    assert "--training.peak_rate" in one
    assert "--training.seed" not in one
    two = helped(capsys, "train", "--help", "loss.consistency", "model.decoder")
    assert "--loss.consistency.weight " in two
    assert "--model.decoder.band " in two
    assert "--loss.text " not in two
    assert "--data.train " in helped(capsys, "validate", "--help", "data")
    every = helped(capsys, "train", "--help=all")
    for name in leaves(dataclasses.asdict(Config())):
        assert f"  --{name}" in every, name


def test_help_of_what_there_is_not_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help", "trainin"]) == 1
    assert "there are no settings 'trainin' (jointst train --help SECTION: corpus, data" in capsys.readouterr().err


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 1
    assert "no command 'trian'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["train", "--model.dmi", "64"], ["dmi"]),
        (["train", "--model.dim", "wide"], ["model.dim", "wide"]),
        (["train", "--model.decoder.context", "0"], ["model.decoder.context", "is 0"]),
        (["train", "--nj", "0"], ["--nj", "at least 1"]),
        (["train", "--conf", "absent.yaml"], ["absent.yaml"]),
        (["corpus", "--corpus.languages", "[en, xx]"], ["corpus.languages", "'xx' is unknown", "known: ar"]),
    ],
)
def test_wrong_settings_are_one_message(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"jointst {arguments[0]}: error: ")
    assert "Traceback" not in shown.err
    for part in parts:
        assert part in shown.err


def test_default_settings_beside_those_of_a_recipe_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = "jointst validate: runs with the default settings; those of this recipe: --conf conf/train.yaml\n"
    main(["validate"])
    assert said not in capsys.readouterr().err
    Path("conf").mkdir()
    Path("conf/train.yaml").write_text("corpus: {languages: [en]}\n")
    main(["validate"])
    assert said in capsys.readouterr().err
    for option in (["--conf", "conf/train.yaml"], ["--conf=conf/train.yaml"]):
        main(["validate", *option])
        assert said not in capsys.readouterr().err


def test_print_config_explains_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--model.size", "small", "--print_config"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "# Highest learning rate of AdamW" in shown
    assert "peak_rate: 0.002" in shown
    assert "  dim: 256" in shown, "the preset is laid out"


def test_reading_settings_loads_no_heavy_library() -> None:
    script = (
        "import sys, jointst.recipe.cli, jointst.config.load as l; l.parse('train', '', []);"
        "print([m for m in ('torch', 'numpy', 'numba', 'lightning') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_missing_data_folder_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["validate"]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("jointst validate: error: ")
    assert "Traceback" not in shown.err
    assert "mini_train" in shown.out + shown.err

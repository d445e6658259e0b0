"""The doctor: a sound environment passes, each fault is found and comes with a fix."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jointst.common.errors import EnvironmentFault
from jointst.common.languages import LANGUAGES
from jointst.config import Config, CorpusConfig, ScoringConfig
from jointst.config.context import Context
from jointst.recipe import doctor
from jointst.recipe.cli import main
from jointst.recipe.doctor import Finding


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.chdir(tmp_path)
    return Context(config=Config(), name="test", nj=1)


def only(findings: list[Finding], level: str) -> Finding:
    assert [finding.level for finding in findings] == [level]
    return findings[0]


def test_a_sound_environment_passes(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    made = doctor.run(context)
    table = capsys.readouterr().out.splitlines()
    assert made.what.startswith(f"{len(table)} checks")
    for what in ("python", "packages", "torch", "numba cache", "disk", "memory", "cpu", "espeak"):
        assert any(line[6:].startswith(f"{what}: ") for line in table), what


def test_missing_gpus_are_a_fault_that_stops(context: Context) -> None:
    with pytest.raises(EnvironmentFault, match=r"gpu: \d+ found, --ngpu 1000"):
        doctor.run(replace(context, ngpu=1000))


def test_a_numba_cuda_that_does_not_load_is_a_fault_where_gpus_are_wanted(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every release up to 0.30.4 beside NumPy 2.5, whose numba.cuda loads all the same."""

    def clash(name: str) -> None:
        if name == "numba.cuda.cudaimpl":
            raise AttributeError("module 'numpy' has no attribute 'row_stack'")

    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(doctor.importlib, "import_module", clash)
    fault = only(list(doctor.check_numba_cuda(replace(context, ngpu=1))), "FAULT")
    assert fault.detail.startswith(f"does not load beside NumPy {np.__version__}: module 'numpy' has no attribute")
    assert fault.fix == "run tools/install.sh --extra cuda, or pip install 'numpy<2.5'"
    only(list(doctor.check_numba_cuda(context)), "warn")
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: None)
    assert list(doctor.check_numba_cuda(replace(context, ngpu=1))) == []
    monkeypatch.setattr(doctor.importlib, "import_module", clash)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert list(doctor.check_numba_cuda(replace(context, ngpu=1))) == [], "not installed: check_gpu says so"


def test_an_unwritable_numba_cache_is_a_fault(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    fault = only(list(doctor.check_numba_cache(context)), "FAULT")
    assert fault.fix == "set NUMBA_CACHE_DIR to a writable folder"


def test_tools_are_faults_only_where_they_are_needed(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert shutil.which("apt-get") is None
    only(list(doctor.check_debian_tools(context)), "warn")
    needing = replace(context, config=Config(corpus=CorpusConfig(sources=("mini", "festvox_ru"))))
    assert "needed by corpus festvox_ru" in only(list(doctor.check_debian_tools(needing)), "FAULT").detail

    only(list(doctor.check_sclite(context)), "warn")
    strict = replace(context, config=Config(scoring=ScoringConfig(sclite="yes")))
    only(list(doctor.check_sclite(strict)), "FAULT")
    assert list(doctor.check_sclite(replace(context, config=Config(scoring=ScoringConfig(sclite="no"))))) == []


def test_a_missing_voice_is_a_fault(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LANGUAGES, "ru", replace(LANGUAGES["ru"], voice="ru-nowhere"))
    assert only(list(doctor.check_voices(context)), "FAULT").detail == "no voice ru-nowhere (Russian)"


def test_a_language_that_has_none_needs_none(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LANGUAGES, "ru", replace(LANGUAGES["ru"], voice=None))
    assert [finding.level for finding in doctor.check_voices(context)] == ["ok"]


def test_more_jobs_than_processors_is_a_warning(context: Context) -> None:
    findings = list(doctor.check_machine(replace(context, nj=100_000)))
    assert [finding.level for finding in findings if finding.what == "cpu"] == ["warn"]


def test_pins_are_read_for_this_interpreter(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text(
        "# a comment\nTorch==2.11.0\n    # via x\n"
        "old_one==1 ; python_full_version < '3.8'\nold_one==2 ; python_full_version >= '3.8'\n"
    )
    assert doctor.read_pins(path) == {"torch": "2.11.0", "old-one": "2"}
    assert doctor.read_pins(tmp_path / "absent") == {}


def test_other_versions_than_pinned_are_a_warning(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "constraints.txt").write_text("kaldiio==0.0.1\n")
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    warning = only(list(doctor.check_packages(context)), "warn")
    assert warning.detail.startswith("kaldiio ")
    assert warning.detail.endswith(" instead of 0.0.1")


def test_the_report_for_an_issue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names versions, checks and settings, not the user; settings that cannot be read are a part of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert main(["doctor", "--report"]) == 0
    alone = capsys.readouterr().out
    for part in ("| jointst | 0.", "| python | 3.", "| hardware | ", "none stated", "torch 2.", "ok    disk:", "~"):
        assert part in alone, part
    assert str(tmp_path.parent) not in alone
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "train.yaml").write_text("training:\n  max_updates: 77\nmodel:\n  dim: 32\n")
    assert main(["doctor", "--report", "--ngpu", "900"]) == 0
    told = capsys.readouterr().out
    assert "training.max_updates: 77" in told
    assert "model.dim: 32" in told
    assert "FAULT gpu: " in told
    (tmp_path / "conf" / "train.yaml").write_text("training:\n  max_update: 77\n")
    assert main(["doctor", "--report"]) == 0
    assert "cannot be read: conf/train.yaml" in capsys.readouterr().out

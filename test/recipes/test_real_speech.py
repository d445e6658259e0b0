"""egs/prompts and egs/ru at toy size, where their Debian packages are at hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recipes.checkout import ROOT, copy_recipe, run

TOY = """
--corpus.unpaired_sentences 40 --features.speed_perturbation [1.0]
--model.dim 32 --model.full_context_dim 32 --model.audio_layers 1 --model.streaming_layers 1
--model.full_context_layers 1
--loss.ctc_only_updates 6 --loss.consistency.start_update 8 --loss.consistency.ramp_updates 4
--training.max_updates 12 --training.validate_every 12 --training.warmup_updates 4
--align.utterances 8
""".split()


def downloads(name: str) -> Path | None:
    """Archives that a run of the recipe in this checkout has fetched."""
    folder = ROOT / "egs" / name / "downloads"
    return folder if any(folder.glob("debian/*.deb")) else None


def check(recipe: Path, sets: list[str], *options: str) -> None:
    done = run(recipe, "--", *TOY, *options)
    if "apt-get cannot fetch" in done.stderr:
        pytest.skip(f"the Debian packages cannot be fetched: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {recipe}/exp/train/report.html"
    for name in sets:
        assert f"\n{name}: " in done.stdout
    assert (recipe / "exp/train/packed/model.safetensors").is_file()


def test_prompts(tmp_path: Path) -> None:
    """Italian alone: 15 MB, were they to be fetched."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("apt-get and dpkg are not here: this corpus is Debian packages")
    recipe = copy_recipe(tmp_path, "prompts")
    archives = downloads("prompts") or tmp_path / "downloads"
    check(recipe, ["prompts_test"], "--corpus.languages", "[it]", "--corpus.downloads", str(archives))


def test_ru(tmp_path: Path) -> None:
    archives = downloads("ru")
    if archives is None or not list(archives.glob("debian/festvox-ru_*.deb")):
        pytest.skip("festvox-ru (180 MB) is not fetched for a test: run egs/ru/run.sh once")
    recipe = copy_recipe(tmp_path, "ru")
    check(recipe, ["festvox_ru_test", "prompts_test"], "--corpus.downloads", str(archives))

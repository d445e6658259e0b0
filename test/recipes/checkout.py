"""A copy of the repository's scripts and one recipe, in which the recipe can really run with the tests' environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_recipe(folder: Path, name: str) -> Path:
    """Copy the scripts and ``egs/<name>`` to ``folder``; the environment there is the one that runs the tests."""
    shutil.copytree(ROOT / "utils", folder / "utils")
    (folder / "tools").mkdir()
    install = folder / "tools" / "install.sh"
    install.write_text("#!/bin/sh\n")  # all is installed
    install.chmod(0o755)
    (folder / ".venv").symlink_to(sys.prefix)
    recipe = folder / "egs" / name
    recipe.mkdir(parents=True)
    for part in ("run.sh", "conf"):
        source = ROOT / "egs" / name / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, recipe / part)
    return recipe


def environment() -> dict[str, str]:
    """Variables that make a process import this checkout and use one core."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(recipe: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the recipe's ``run.sh``."""
    command = [str(recipe / "run.sh"), *words]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=290, check=False)


def files(recipe: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every file that the recipe has made."""
    made = (path for folder in ("data", "dump", "exp") for path in (recipe / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(recipe)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in made}

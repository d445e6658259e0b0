"""What a run was made with: versions of packages, the git commit, the platform. Stored beside its results."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from jointst.common.threads import available_cpus

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package: a checkout, or a site-packages folder."""

PACKAGES = (
    "av",
    "charset-normalizer",
    "espeakng-loader",
    "espnet_tts_frontend",
    "indic-numtowords",
    "jiwer",
    "jsonargparse",
    "kaldiio",
    "lightning",
    "matplotlib",
    "mishkal",
    "num2words",
    "numba",
    "numpy",
    "phonemizer",
    "pykakasi",
    "pypinyin",
    "pyyaml",
    "safetensors",
    "sentencepiece",
    "soundfile",
    "submitit",
    "tensorboard",
    "torch",
    "torchaudio",
    "tqdm",
)
"""Distributions that every recipe needs."""


def package_versions() -> dict[str, str | None]:
    """Version of each of :data:`PACKAGES`; None where it is not installed."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _git(*arguments: str) -> str | None:
    """Output of a git command in :data:`ROOT`, or None where there is no git or no checkout."""
    # No index refresh: a run must not write into the checkout.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_state() -> tuple[str | None, bool | None]:
    """The commit of the checkout and whether tracked files differ from it; (None, None) outside a checkout."""
    top = _git("rev-parse", "--show-toplevel")
    # An installed copy may lie inside somebody else's checkout.
    if top is None or Path(top).resolve() != ROOT:
        return None, None
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


def versions() -> dict[str, Any]:
    """Everything about the software of a run, ready for JSON: ``git_commit``, ``git_dirty``, ``python``,
    ``platform``, ``machine``, ``cpus``, and ``packages`` from name to version."""
    commit, dirty = git_state()
    return {
        "git_commit": commit,
        "git_dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": package_versions(),
    }


def hardware(ngpu: int) -> str:
    """Processor, cores, memory, stated threads and GPUs of this machine, in words."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    words = f"{available_cpus()} cores of {models[0] if models else platform.machine()}, {memory:.0f} GiB"
    threads = os.environ.get("OMP_NUM_THREADS", "")  # cells that run side by side share the cores
    words += f", OMP_NUM_THREADS={threads}" if threads else ""
    if ngpu == 0:
        return f"{words}, no GPU used"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        return f"{words}, {ngpu} GPUs of unknown make"
    return f"{words}, {ngpu} x {names[0].strip()}"

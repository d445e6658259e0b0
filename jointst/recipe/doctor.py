"""Stage 0: is everything here that a recipe needs? Each fault comes with its fix."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jointst.common.errors import EnvironmentFault
from jointst.common.languages import language
from jointst.common.threads import available_cpus, set_threads
from jointst.common.versions import ROOT, package_versions
from jointst.config import CorpusConfig
from jointst.config.context import Context, Made

GIB = 2**30
INSTALL = "run tools/install.sh"
DEBIAN_SOURCES = ("prompts", "festvox_ru", "libreoffice_help")
"""Corpora that are Debian packages, fetched with apt-get and unpacked with dpkg-deb."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's table; a fault stops the recipe, a warning does not."""

    level: Literal["ok", "warn", "FAULT"]
    what: str
    detail: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.level:5s} {self.what}: {self.detail}" + (f" ({self.fix})" if self.fix else "")


def check_python(context: Context) -> Iterator[Finding]:
    """The interpreter's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 10) <= sys.version_info[:2] <= (3, 12):
        yield Finding(level="ok", what="python", detail=f"{version}, {sys.executable}")
    else:
        fix = "install Python 3.10, 3.11 or 3.12, remove .venv, and run tools/install.sh"
        yield Finding(level="FAULT", what="python", detail=f"{version} is not 3.10 to 3.12", fix=fix)


def read_pins(path: Path) -> dict[str, str]:
    """Pinned versions that hold for this interpreter, by normalised name; empty where there is no such file."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins: dict[str, str] = {}
    if not path.is_file():
        return pins
    for line in path.read_text(encoding="utf-8").splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            pins[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    return pins


def check_packages(context: Context) -> Iterator[Finding]:
    """Every package is installed, in its pinned version where this is a checkout."""
    installed = package_versions()
    missing = sorted(name for name, version in installed.items() if version is None)
    if missing:
        yield Finding(level="FAULT", what="packages", detail=f"not installed: {' '.join(missing)}", fix=INSTALL)
        return
    pins = read_pins(ROOT / "tools" / "constraints.txt")
    other = []
    for name, version in installed.items():
        pin = pins.get(name.lower().replace("_", "-"), version)
        # torch adds the build after a plus sign, as in 2.11.0+cu130.
        if version is not None and version.split("+")[0] != pin:
            other.append(f"{name} {version} instead of {pin}")
    if other:
        yield Finding(level="warn", what="packages", detail=", ".join(other), fix=INSTALL)
    else:
        yield Finding(level="ok", what="packages", detail=f"{len(installed)}, all as pinned" if pins else "all there")


def check_native_libraries(context: Context) -> Iterator[Finding]:
    """Packages with machine code load, and torch computes."""
    for name in ("numba", "soundfile", "sentencepiece", "av"):
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            yield Finding(level="FAULT", what=name, detail=f"does not load: {error}", fix=INSTALL)
    try:
        import torch
        import torchaudio

        total = float((torch.ones(2, 3) @ torch.ones(3, 2)).sum())
    except (ImportError, OSError, RuntimeError) as error:
        yield Finding(level="FAULT", what="torch", detail=f"does not work: {error}", fix=INSTALL)
        return
    if total != 12.0:
        yield Finding(level="FAULT", what="torch", detail=f"2 x 3 ones times 3 x 2 ones sum to {total}", fix=INSTALL)
        return
    detail = f"{torch.__version__} with torchaudio {torchaudio.__version__}, {torch.get_num_threads()} threads"
    yield Finding(level="ok", what="torch", detail=detail)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def check_numba_cache(context: Context) -> Iterator[Finding]:
    """Compiled kernels can be kept; without a folder for them numba refuses to compile at all."""
    if "NUMBA_CACHE_DIR" in os.environ:
        folders = [Path(os.environ["NUMBA_CACHE_DIR"])]
    else:
        user = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        folders = [ROOT / "jointst" / "ops" / "kernels" / "__pycache__", user / "numba"]
    for folder in folders:
        if _writable(folder):
            yield Finding(level="ok", what="numba cache", detail=str(folder))
            return
    detail = f"cannot write {' or '.join(map(str, folders))}"
    yield Finding(level="FAULT", what="numba cache", detail=detail, fix="set NUMBA_CACHE_DIR to a writable folder")


def check_disk(context: Context) -> Iterator[Finding]:
    """Room for data and experiments in the recipe's folder."""
    here = Path.cwd()
    if not _writable(here):
        yield Finding(level="FAULT", what="disk", detail=f"cannot write {here}", fix="make room, or give write access")
        return
    free = shutil.disk_usage(here).free / GIB
    detail, fix = f"{free:.1f} GiB free in {here}", "make room; recipes say how much they need"
    if free < 1:
        yield Finding(level="FAULT", what="disk", detail=detail, fix=fix)
    elif free < 5:
        yield Finding(level="warn", what="disk", detail=detail, fix=fix)
    else:
        yield Finding(level="ok", what="disk", detail=detail)


def available_memory() -> float | None:
    """GiB that can still be used, by the machine's and the control group's account; None where neither says."""
    found = []
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        if match:
            found.append(int(match.group(1)) * 1024 / GIB)
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            used = int(Path("/sys/fs/cgroup/memory.current").read_text())
            found.append(max(0, int(limit) - used) / GIB)
    except OSError:  # not Linux, or no control group of version 2
        pass
    return min(found, default=None)


def check_machine(context: Context) -> Iterator[Finding]:
    """Memory and processors."""
    memory = available_memory()
    if memory is not None:
        fix = "close other programs, lower --nj, or make training.speech_batch smaller"
        level: Literal["ok", "warn"] = "ok" if memory >= 3 else "warn"
        yield Finding(level=level, what="memory", detail=f"{memory:.1f} GiB available", fix="" if memory >= 3 else fix)
    cpus = available_cpus()
    if context.nj > cpus:
        yield Finding(level="warn", what="cpu", detail=f"{cpus}, fewer than --nj {context.nj}", fix=f"--nj {cpus}")
    else:
        yield Finding(level="ok", what="cpu", detail=f"{cpus}, --nj {context.nj}")


def check_gpu(context: Context) -> Iterator[Finding]:
    """As many GPUs as were asked for."""
    if context.ngpu == 0:
        return
    try:
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    except (ImportError, OSError):  # reported by check_native_libraries
        return
    if count < context.ngpu:
        detail, fix = f"{count} found, --ngpu {context.ngpu}", f"--ngpu {count}, or check nvidia-smi and the driver"
        yield Finding(level="FAULT", what="gpu", detail=detail, fix=fix)
    elif importlib.util.find_spec("numba_cuda") is None:
        detail = "numba-cuda, which aligns speech and text on GPUs, is not installed"
        yield Finding(level="FAULT", what="gpu", detail=detail, fix=f"{INSTALL} --extra cuda")
    else:
        names = [torch.cuda.get_device_name(index) for index in range(context.ngpu)]
        yield Finding(level="ok", what="gpu", detail=", ".join(names))


def check_numba_cuda(context: Context) -> Iterator[Finding]:
    """numba-cuda, where it is installed, loads beside this NumPy: its first kernel would say so too late."""
    if importlib.util.find_spec("numba_cuda") is None:  # reported by check_gpu
        return
    import numpy as np

    try:
        importlib.import_module("numba.cuda.cudaimpl")  # with numba.cuda alone it seems to load
    except (ImportError, AttributeError) as error:
        detail = f"does not load beside NumPy {np.__version__}: {error}"
        fix = f"{INSTALL} --extra cuda, or pip install 'numpy<2.5'"
        level: Literal["FAULT", "warn"] = "FAULT" if context.ngpu > 0 else "warn"
        yield Finding(level=level, what="numba-cuda", detail=detail, fix=fix)


def check_voices(context: Context) -> Iterator[Finding]:
    """eSpeak NG loads and has a voice for each language."""
    try:
        import espeakng_loader

        library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        data = str(espeakng_loader.get_data_path())
    except (ImportError, OSError) as error:
        yield Finding(level="FAULT", what="espeak", detail=f"does not load: {error}", fix=INSTALL)
        return
    if library.espeak_Initialize(2, 0, data.encode(), 0) <= 0:
        yield Finding(level="FAULT", what="espeak", detail=f"does not start from {data}", fix=INSTALL)
        return
    asked = [language(code) for code in context.config.corpus.languages]
    wanted = [entry for entry in asked if entry.voice is not None]
    # Only this status tells of a missing voice: eSpeak then reads in English.
    missing = [entry for entry in wanted if library.espeak_SetVoiceByName(entry.speaks.encode()) != 0]
    if missing:
        names = ", ".join(f"{entry.voice} ({entry.name})" for entry in missing)
        yield Finding(level="FAULT", what="espeak", detail=f"no voice {names}", fix=INSTALL)
    else:
        yield Finding(level="ok", what="espeak", detail=f"voices of {len(wanted)} languages")


def check_debian_tools(context: Context) -> Iterator[Finding]:
    """apt-get and dpkg-deb, where a corpus is a Debian package."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    corpus: CorpusConfig = context.config.corpus
    needing = [source for source in corpus.sources if source in DEBIAN_SOURCES]
    if not missing:
        yield Finding(level="ok", what="apt", detail="apt-get and dpkg-deb are here")
    elif needing:
        fix = "make this corpus on Debian or Ubuntu, or in a container of them, and copy data/ here"
        detail = f"no {' or '.join(missing)}, needed by corpus {' '.join(needing)}"
        yield Finding(level="FAULT", what="apt", detail=detail, fix=fix)
    else:
        yield Finding(level="warn", what="apt", detail=f"no {' or '.join(missing)}, not needed here")


def check_sclite(context: Context) -> Iterator[Finding]:
    """NIST sclite, which is optional unless the settings say otherwise."""
    found = shutil.which("sctk") or shutil.which("sclite")
    wanted = context.config.scoring.sclite
    if found:
        yield Finding(level="ok", what="sclite", detail=found)
    elif wanted == "yes":
        fix = "apt-get install sctk, or --scoring.sclite auto"
        yield Finding(level="FAULT", what="sclite", detail="not here, scoring.sclite is yes", fix=fix)
    elif wanted == "auto":
        fix = "apt-get install sctk for its tables; word error rates do not need it"
        yield Finding(level="warn", what="sclite", detail="not here", fix=fix)


CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_native_libraries,
    check_numba_cache,
    check_disk,
    check_machine,
    check_gpu,
    check_numba_cuda,
    check_voices,
    check_debian_tools,
    check_sclite,
)


def run(context: Context) -> Made:
    """Run every check and print the table.

    Raises:
        EnvironmentFault: at least one check found a fault; the message has them all.
    """
    set_threads(None)
    findings = []
    for check in CHECKS:
        for finding in check(context):
            print(finding, flush=True)
            findings.append(finding)
    faults = [finding for finding in findings if finding.level == "FAULT"]
    if faults:
        raise EnvironmentFault("; ".join(f"{fault.what}: {fault.detail} ({fault.fix})" for fault in faults))
    warnings = sum(finding.level == "warn" for finding in findings)
    return Made(what=f"{len(findings)} checks, {warnings} warnings", where=Path.cwd())

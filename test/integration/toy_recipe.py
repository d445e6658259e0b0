"""A toy recipe on real eSpeak speech, and ways to run its stages: in this process, or in one that is broken off."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jointst.recipe.cli import main

ROOT = Path(__file__).resolve().parents[2]

CONF = """
corpus:
  languages: [en, ru]
  mini: {train_utterances: 4, dev_utterances: 2, test_utterances: 2, unpaired_sentences: 4}
model: {dim: 16, full_context_dim: 16, heads: 2, audio_layers: 1, streaming_layers: 1, full_context_layers: 1}
loss: {ctc_only_updates: 2, consistency: {start_update: 3, ramp_updates: 2}}
training: {max_updates: 6, validate_every: 3, warmup_updates: 2}
align: {utterances: 4, heat_maps: 1}
scoring: {sclite: "no"}
"""

# Breaks a stage off at its n-th renaming of a finished file, in whichever process that is: by kill -9, by Ctrl-C to
# the whole process group, or by a disk on which nothing can be written any more.
_BREAKER = """
import os, resource, signal, sys

how, left, renamed = sys.argv[1], int(sys.argv[2]), os.replace

def replace(source, target):
    global left
    left -= 1
    if left == 0 and how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif left == 0 and how == "interrupt":
        os.killpg(0, signal.SIGINT)
    renamed(source, target)
    if left == 0 and how == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

os.replace = replace

if __name__ == "__main__":
    from jointst.recipe.cli import main
    sys.exit(main(sys.argv[3:]))
"""


def stage(name: str, *options: str) -> int:
    """Run a stage of the recipe in the working directory, in this process; its exit status."""
    return main([name, "--conf", "toy.yaml", "--nj", "1", *options])


def environment() -> dict[str, str]:
    """Variables of a process that imports this checkout."""
    # A full disk would leave half-written bytecode behind, in Python before 3.12.8.
    own = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}


def start(*command: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own, as a terminal does."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def broken(how: str, at: int, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a stage in a process that is broken off at its ``at``-th renaming (``kill``, ``interrupt`` or ``full``)."""
    script = Path("breaker.py")
    script.write_text(_BREAKER)
    words = [sys.executable, str(script), how, str(at), name, "--conf", "toy.yaml", "--nj", "1", *options]
    with start(*words) as process:
        output, errors = process.communicate(timeout=250)
    end = time.monotonic() + 10  # multiprocessing's own helper ends when it sees that the others have
    while members(process.pid) and time.monotonic() < end:
        time.sleep(0.05)
    left = members(process.pid)
    assert not left, f"processes left over: {left}"
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


@contextlib.contextmanager
def full_disk(at: int) -> Iterator[None]:
    """From the ``at``-th renaming of a finished file on, this process can write no file any more.

    As ``broken("full", ...)``, without the seconds in which a process of its own imports torch and lightning.
    """
    left, replace = at, os.replace
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def renamed(source: str, target: str) -> None:
        nonlocal left
        left -= 1
        replace(source, target)
        if left == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # or half of it would be left behind
        patch.setattr(os, "replace", renamed)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def contents(*folders: str) -> dict[str, bytes]:
    """Every file below some folders, stamps and clocks aside."""
    files = (path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    aside = ("timing.json", "log.jsonl")
    return {str(path): path.read_bytes() for path in files if path.parent.name != ".stages" and path.name not in aside}

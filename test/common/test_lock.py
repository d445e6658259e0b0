"""Locks of folders between real processes: who is refused, what is said, and what death and forks do to a lock."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jointst.common import lock
from jointst.common.lock import Busy, Claim, hold

ROOT = Path(__file__).resolve().parents[1]
HOLDER = """
import os, sys, time
from pathlib import Path
from jointst.common.lock import Claim, hold

shared, then = sys.argv[1] == "shared", sys.argv[2]
with hold([Claim.beside(Path("exp/toy"), shared=shared)], "a training", "jointst train --conf toy.yaml"):
    if then == "fork" and os.fork() == 0:  # a loader process that nobody has told
        os.setsid()
        os.closerange(0, 3)
        time.sleep(60)
    print("ready", flush=True)
    if then == "short":
        sys.stdin.readline()
    else:
        time.sleep(60)
"""
ASKER = """
import sys
from pathlib import Path
from jointst.common.lock import Busy, Claim, hold

try:
    with hold([Claim.beside(Path("exp/toy"), shared="shared" in sys.argv)], "another", patience=0.2):
        print("locked")
except Busy as busy:
    print(busy)
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exp/toy").mkdir(parents=True)


@contextmanager
def holder(kind: str, then: str = "wait") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of exp/toy."""
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", HOLDER, kind, then]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=ENVIRONMENT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def ask(*kind: str) -> str:
    done = subprocess.run([sys.executable, "-c", ASKER, *kind], capture_output=True, text=True, env=ENVIRONMENT)
    assert not done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        ("alone", "alone", False),
        ("alone", "shared", False),
        ("shared", "alone", False),
        ("shared", "shared", True),
    ],
)
def test_who_is_refused_and_what_is_said(held: str, wanted: str, free: bool) -> None:
    with holder(held) as process:
        said = ask(wanted)
        if free:
            assert said == "locked"
            return
        assert said.startswith("exp/toy is in use: a training is under way there, by user ")
        assert f"process {process.pid} on host {os.uname().nodename}, since 2" in said
        assert ": jointst train --conf toy.yaml (wait until that has ended" in said


@pytest.mark.parametrize("held", ["alone", "shared"])
def test_a_killed_holder_holds_nothing(held: str) -> None:
    with holder(held) as process:
        assert ask("alone") != "locked"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert [path.name for path in Path("exp/.locks").iterdir() if path.name != "toy"], "its note is left"
        assert ask("alone") == "locked"
    assert [path.name for path in Path("exp/.locks").iterdir()] == ["toy"]


def test_a_holder_that_ends_leaves_no_note() -> None:
    with holder("alone", "short") as process:
        process.communicate("\n", timeout=30)
    assert [path.name for path in Path("exp/.locks").iterdir()] == ["toy"]


def test_a_forked_child_that_outlives_the_holder_holds_nothing() -> None:
    with holder("alone", "fork") as process:
        (child,) = [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.kill(child, 0)
        try:
            assert ask("alone") == "locked"
        finally:
            os.kill(child, signal.SIGKILL)


def test_processes_that_a_holder_starts_are_of_one_run() -> None:
    with hold([Claim.beside(Path("exp/toy"))], "a training"):
        command = [sys.executable, "-c", ASKER]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert done.stdout == "locked\n"
        assert "under way" in ask("alone"), "a process of another run"
    assert not os.environ.get(lock.HELD)


def test_a_lock_that_is_handed_on_outlives_the_giver() -> None:
    script = f"""
import os, signal, subprocess, sys
from pathlib import Path
from jointst.common.lock import Claim, hold, passing

claim = Claim.beside(Path("exp/toy"))
with hold([claim], "a cell"):
    environment, files = passing(claim)
    subprocess.Popen([sys.executable, "-c", {HOLDER!r}, "alone", "short"], pass_fds=files, env=environment)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True, env=ENVIRONMENT
    ) as process:
        process.wait()
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the stage takes the lock for its own"
        assert "a cell is under way there" in ask("alone")
        process.communicate("\n", timeout=30)
    deadline = time.monotonic() + 10
    while ask("alone") != "locked":
        assert time.monotonic() < deadline


def test_within_one_process_a_lock_may_be_held_twice() -> None:
    claim = Claim.beside(Path("exp/toy"))
    with hold([claim], "a cell"):
        with hold([claim, Claim.beside(Path("exp/toy"), shared=True)], "its stage"):
            pass
        assert "a cell is under way" in ask("alone")
    assert ask("alone") == "locked"


def test_all_or_none() -> None:
    other = Claim.beside(Path("exp/other"))
    with holder("alone"), pytest.raises(Busy), hold([other, Claim.beside(Path("exp/toy"))], "two", patience=0.0):
        pass
    assert not lock._locks


def test_the_lock_of_an_experiment_is_no_note_of_another() -> None:
    names = ["toy", "toy.abc123-1", "toy.b", "toy[1]"]
    for name in names:
        with hold([Claim.beside(Path("exp") / name)], "a training"):
            pass
    assert sorted(path.name for path in Path("exp/.locks").iterdir()) == sorted(names)


def test_a_folder_that_cannot_be_written_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.open

    def read_only(path: str, flags: int, *rest: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return plain(path, flags, *rest)

    Path("data").mkdir()
    monkeypatch.setattr(os, "open", read_only)
    with hold([Claim.inside(Path("data"), shared=True)], "a decoding"):
        pass
    with pytest.raises(OSError, match="Read-only"), hold([Claim.inside(Path("data"))], "stage 4"):
        pass


def test_a_file_system_without_locks_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with hold([Claim.beside(Path("exp/toy"))], "a training"):
        pass
    assert "exp/.locks/toy: the file system knows no locks" in capsys.readouterr().err


def test_a_damaged_note_is_no_holder() -> None:
    with holder("alone") as process:
        (note,) = [path for path in Path("exp/.locks").iterdir() if path.name != "toy"]
        assert json.loads(note.read_text())["process"] == process.pid
        note.write_text("{")
        assert "another process, which has left no note" in ask("alone")


def test_one_who_reads_makes_no_folder() -> None:
    with hold([Claim.inside(Path("nowhere"), shared=True), Claim.beside(Path("no/where"), shared=True)], "a look"):
        pass
    assert [path.name for path in Path().iterdir()] == ["exp"]

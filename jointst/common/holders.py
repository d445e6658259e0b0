"""Notes beside a lock: who holds it, for the message of those that are refused.

A holder locks its own note as well, so that every host can tell the note of a dead process.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from jointst.common.processes import HOST
from jointst.common.units import Seconds

_NOTE = re.compile(r"\.[0-9a-f]{6}-[0-9]+\.by")
LONGEST_COMMAND = 300
"""Characters of a command line that are kept."""
MOMENT: Seconds = 0.05
TRIES = 10


def write_note(lock: Path, what: str, command: str) -> tuple[Path, int] | None:
    """Say who holds a lock.

    Args:
        lock: its file.
        what: is going on.
        command: the command line.

    Returns:
        The note and its open file, which must stay open as long as the lock is held; None where it cannot be written,
        and the lock holds all the same.
    """
    note = lock.with_name(f"{lock.name}.{HOST}-{os.getpid()}.by")
    record = {
        "what": what,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "user": _user(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "command": command if len(command) < LONGEST_COMMAND else f"{command[:LONGEST_COMMAND]} ...",
    }
    try:
        file = os.open(note, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.write(file, json.dumps(record).encode())
    for _ in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:  # somebody looks whether it is a dead process's
            time.sleep(MOMENT)
        except OSError:
            break
    return note, file


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for it
        return str(os.getuid())


def _notes(lock: Path) -> Iterator[tuple[Path, bool]]:
    """Every note of a lock, and whether its writer lives."""
    for note in sorted(lock.parent.iterdir()):
        if not note.name.startswith(f"{lock.name}.") or not _NOTE.fullmatch(note.name[len(lock.name) :]):
            continue
        with contextlib.suppress(OSError):
            file = os.open(note, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                alive = False
            except BlockingIOError:
                alive = True
            finally:
                os.close(file)
            yield note, alive


def remove_dead_notes(lock: Path) -> None:
    """Remove the notes of processes that were killed."""
    for note, alive in _notes(lock):
        if not alive:
            with contextlib.suppress(OSError):
                note.unlink()


def holders(lock: Path) -> list[str]:
    """Who holds a lock, in words; waits a moment for a note, which is written after its lock is taken."""
    for _ in range(TRIES):
        words = []
        for note, alive in _notes(lock):
            if alive:
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    words.append(_in_words(json.loads(note.read_bytes())))
        if words:
            return words
        time.sleep(MOMENT)
    return []


def _in_words(record: dict[str, object]) -> str:
    words = f"{record['what']} is under way there, by user {record['user']}, process {record['process']} on host "
    words += f"{record['host']}, since {record['since']}"
    return words + (f": {record['command']}" if record["command"] else "")

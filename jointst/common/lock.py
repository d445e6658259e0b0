"""Locks of folders in which work goes on: who is at work there, and free again as soon as that process is dead.

``flock`` does it: the kernel gives a lock back when its process ends, whatever ends it, and a file server does so for a
host that is gone. A lock is shared (by those that read) or of one holder (who writes). The locks' files stay: removing
one that another process is about to lock would make two locks of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jointst.common.errors import JointstError
from jointst.common.holders import holders, remove_dead_notes, write_note
from jointst.common.processes import HOST, is_alive
from jointst.common.units import Seconds

PATIENCE: Seconds = 1.0
"""How long a lock is asked for: a process with much memory needs a moment to die."""
ASK_EVERY: Seconds = 0.05
HELD = "JOINTST_HELD"
"""Variable with the locks that a process holds alone, for the processes it starts: they are of one run."""
PASSED = "JOINTST_PASSED"
"""Variable with the open files of locks that were handed on to this very process."""
SHOWN = 3
"""Holders that are named."""
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
"""What file systems without locks say."""
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Claim:
    """A folder that is to be locked.

    Attributes:
        folder: what it is called in messages.
        file: the lock. It lies where nobody moves or removes it: not in a folder that is set aside as a whole.
        shared: for those that read; otherwise no other process may hold it at all.
    """

    folder: Path
    file: Path
    shared: bool = False

    @classmethod
    def beside(cls, folder: Path, *, shared: bool = False) -> Claim:
        """A claim whose lock lies beside the folder, which may be moved."""
        return cls(folder, folder.parent / ".locks" / folder.name, shared)

    @classmethod
    def inside(cls, folder: Path, *, shared: bool = False) -> Claim:
        """A claim whose lock lies in the folder, which stays where it is."""
        return cls(folder, folder / ".stages" / "lock", shared)


class Busy(JointstError):
    """Another process is at work in a folder, and this one would disturb it.

    Args:
        folder: the folder.
        known: of its holders: who, what and since when.
    """

    def __init__(self, folder: Path, known: Sequence[str]) -> None:
        self.folder, self.holders = folder, known
        more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        named = "; ".join(known[:SHOWN]) or "another process, which has left no note"
        super().__init__(
            f"{folder} is in use: {named}{more} (wait until that has ended, or end it; "
            "--name gives an experiment a folder of its own, data.root does so for data)"
        )

    def __reduce__(self) -> tuple[type[Busy], tuple[Path, Sequence[str]]]:
        """The way from a worker process."""
        return type(self), (self.folder, self.holders)


@dataclass
class _Held:
    """An open lock of this process, with its note; ``count`` users of it in this process."""

    shared: bool
    files: list[int]
    note: Path | None
    count: int = 1


_locks: dict[str, _Held] = {}


def _take_over() -> None:
    """Know the locks that were handed on to this process; they are its own until it ends."""
    for line in os.environ.pop(PASSED, "").splitlines():
        *files, key = line.split("\t")
        _locks[key] = _Held(shared=False, files=[int(file) for file in files], note=None)
        for file in _locks[key].files:
            os.set_inheritable(file, False)
        _tell(add=key)


def _forget() -> None:
    """In a forked child: it may outlive the holder, and must not hold the lock then."""
    for file in [file for held in _locks.values() for file in held.files]:
        with contextlib.suppress(OSError):
            os.close(file)
    _locks.clear()


@contextlib.contextmanager
def hold(claims: Sequence[Claim], what: str, command: str = "", *, patience: Seconds = PATIENCE) -> Iterator[None]:
    """Lock folders, all of them or none, as long as this lasts or this process lives.

    A folder that this process, or the one that started it, holds already is simply taken for locked.

    Args:
        claims: of the folders.
        what: is going on there, for those that are refused.
        command: the command line, likewise.
        patience: how long to ask.

    Raises:
        Busy: another process is at work in one of the folders.
        OSError: a lock cannot be made where it is needed for writing.
    """
    with contextlib.ExitStack() as stack:
        for claim in claims:
            stack.enter_context(_locked(claim, what, command, patience))
        yield


def passing(claim: Claim) -> tuple[dict[str, str], list[int]]:
    """What a process needs to hold a lock of this one too, so that it outlives this one.

    Returns:
        Its environment, and the files that it must inherit (``pass_fds``).
    """
    key = os.path.realpath(claim.file)
    held = _locks.get(key)
    if held is None:
        return dict(os.environ), []
    return {**os.environ, PASSED: "\t".join([*map(str, held.files), key])}, held.files


@contextlib.contextmanager
def _locked(claim: Claim, what: str, command: str, patience: Seconds) -> Iterator[None]:
    key = os.path.realpath(claim.file)
    known = _locks.get(key)
    if known is not None and (claim.shared or not known.shared):
        known.count += 1
        try:
            yield
        finally:
            _leave(key)
        return
    if _is_of_this_run(key):
        yield
        return
    file = _open(claim)
    if file is None:
        yield
        return
    try:
        locked = _lock(file, claim, patience)
    except BaseException:
        os.close(file)
        raise
    if not locked:
        os.close(file)
        yield
        return
    held = _Held(claim.shared, [file], None)
    _locks[key] = held
    remove_dead_notes(claim.file)
    written = write_note(claim.file, what, command)
    if written is not None:
        held.note = written[0]
        held.files.append(written[1])
    if not claim.shared:
        _tell(add=key)
    try:
        yield
    finally:
        _leave(key)


def _leave(key: str) -> None:
    held = _locks.get(key)
    if held is None:  # in a forked child
        return
    held.count -= 1
    if held.count:
        return
    del _locks[key]
    if not held.shared:
        _tell(remove=key)
    if held.note is not None:
        with contextlib.suppress(OSError):
            held.note.unlink(missing_ok=True)
    for file in reversed(held.files):
        os.close(file)


def _open(claim: Claim) -> int | None:
    """The lock's file; None where it cannot be made, or nothing is there, and it is needed for reading alone."""
    if claim.shared and not claim.folder.exists():
        return None
    try:
        claim.file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(claim.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in CLOSED:
            raise
        with contextlib.suppress(OSError):  # another user's
            return os.open(claim.file, os.O_RDONLY | os.O_CLOEXEC)
        if not claim.shared:
            raise
        return None


def _lock(file: int, claim: Claim, patience: Seconds) -> bool:
    """Whether it is locked now; False where the file system knows no locks.

    Raises:
        Busy: another process has it.
    """
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if claim.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Busy(claim.folder, holders(claim.file)) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            print(
                f"warning: {claim.file}: the file system knows no locks ({error.strerror}): start no second run there",
                file=sys.stderr,
            )
            return False
        time.sleep(ASK_EVERY)


def _is_of_this_run(key: str) -> bool:
    """Whether a living process that started this one, or its parent, holds the lock alone."""
    for line in os.environ.get(HELD, "").splitlines():
        host, process, path = line.split(" ", 2)
        if path == key and host == HOST and is_alive(int(process)):
            return True
    return False


def _tell(*, add: str = "", remove: str = "") -> None:
    """Name a lock in the environment of the processes that this one starts, or no longer."""
    own = f"{HOST} {os.getpid()} "
    lines = [line for line in os.environ.get(HELD, "").splitlines() if line != own + remove]
    os.environ[HELD] = "\n".join([*lines, own + add] if add else lines)


_take_over()
os.register_at_fork(after_in_child=_forget)

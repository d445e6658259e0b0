"""The errors a user can meet; each message says what is wrong, where, and how to mend it."""

from __future__ import annotations

import errno
import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk, a quota and a limit on the size of files say."""


class JointstError(ValueError):
    """Something the user can mend. The command line prints it without a traceback and exits with 1."""


class ConfigError(JointstError):
    """A setting that cannot work.

    Args:
        key: dotted path of the setting, for example ``model.subsampling``.
        problem: what is wrong with it, with the actual value.
        fix: what to write instead, if that is known.
    """

    def __init__(self, key: str, problem: str, fix: str = "") -> None:
        self.key = key
        self.problem = problem
        self.fix = fix
        super().__init__(f"{key}: {problem}" + (f" ({fix})" if fix else ""))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str, str]]:
        """The way from a worker process: the parts, since the message alone cannot make the error again."""
        return type(self), (self.key, self.problem, self.fix)

    def under(self, prefix: str) -> ConfigError:
        """The same error with ``prefix`` before its key."""
        return ConfigError(f"{prefix}.{self.key}" if self.key else prefix, self.problem, self.fix)


class DataError(JointstError):
    """A fault in a data file.

    Args:
        problem: what is wrong, with the actual value.
        path: the file.
        line: 1-based line number, if known.
        utterance: utterance id, if known.
        fix: how to mend it, if known.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        utterance: str | None = None,
        fix: str = "",
    ) -> None:
        self.problem = problem
        self.path = None if path is None else Path(path)
        self._stated = path  # which may be a URL: a path has no two slashes
        self.line = line
        self.utterance = utterance
        self.fix = fix
        where = "" if path is None else str(path)
        if line is not None:
            where += f":{line}"
        if utterance is not None:
            where += f" utterance {utterance}" if where else f"utterance {utterance}"
        super().__init__((f"{where}: " if where else "") + problem + (f" ({fix})" if fix else ""))

    def __reduce__(self) -> tuple[Callable[[str], DataError], tuple[str]]:
        """The way from a worker process, as in :class:`ConfigError`."""
        place: dict[str, Any] = {"path": self._stated, "line": self.line, "utterance": self.utterance, "fix": self.fix}
        return functools.partial(type(self), **place), (self.problem,)


class AlignmentError(JointstError):
    """An utterance of a batch that cannot be aligned.

    Args:
        utterance: its index in the batch.
        frames: its speech positions.
        positions: its text positions.
        problem: the rule that it breaks, and how to mend it.
    """

    def __init__(self, utterance: int, frames: int, positions: int, problem: str) -> None:
        self.utterance, self.frames, self.positions, self.problem = utterance, frames, positions, problem
        super().__init__(f"utterance {utterance} with {frames} speech and {positions} text positions {problem}")

    def shifted(self, first: int) -> AlignmentError:
        """The same error of a slice of a batch that begins with utterance ``first``."""
        return AlignmentError(self.utterance + first, self.frames, self.positions, self.problem)


class CollapseError(JointstError):
    """Training stopped because the states of a shared layer have become alike, or a loss is not finite."""


class EnvironmentFault(JointstError):
    """A tool, package or resource that a stage needs is missing."""


AGAIN = 75
"""Exit status of what is to be started again: EX_TEMPFAIL of sysexits.h."""


class Stopped(Exception):
    """Training stopped where it can go on, because it was told to.

    Args:
        why: the name of a signal, or other words.
        update: the last one, which the checkpoint holds.
        status: exit status that says so.
    """

    def __init__(self, why: str, update: int, status: int) -> None:
        self.status = status
        super().__init__(f"stopped after update {update} by {why}; the same command goes on from there")


def last_words(error: BaseException) -> tuple[int, str] | None:
    """Exit status, and what is said last; None of what can only be a fault of ours."""
    if isinstance(error, JointstError):
        return 1, f"error: {error}"
    if isinstance(error, Stopped):
        return error.status, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted; run it again to go on from what is finished"
    if isinstance(error, MemoryError):
        return 1, "error: out of memory; lower --nj or batches, then run it again"
    if isinstance(error, OSError):
        message = explain(error)
        return (1, f"error: {message}") if message else None
    return None


def explain(error: OSError) -> str:
    """What to do about an error of the system, with the file; nothing where it can only be a fault of ours."""
    file = error.filename2 or error.filename
    where = f"{file}: " if file else ""
    if error.errno == errno.ENOSPC:
        return f"{where}{error.strerror} on {_disk(file)}; what was finished is kept: make room, then run it again"
    if error.errno in FULL:
        return f"{where}{error.strerror}; what was finished is kept: make room, then run it again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}{error.strerror}; what was finished is kept: give access, then run it again"
    if error.errno == errno.EPIPE:
        return "nobody reads what it prints any more; run it again to go on from what is finished"
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):
        return f"{no_temporary_folder()}; then run it again"
    return f"{where}{error.strerror}" if file and error.strerror else ""


def _disk(file: Any) -> str:
    """The disk that a file is on, by the folder it is mounted at; of no file, the fullest of those that are used."""
    if file:
        return f"the disk mounted at {_mount(Path(os.fsdecode(file)))}"
    try:
        used = [Path.cwd(), Path(tempfile.gettempdir())]
    except OSError:
        used = [Path.cwd()]
    return f"the disk mounted at {_mount(min(used, key=lambda path: os.statvfs(path).f_bavail))}"


def _mount(path: Path) -> Path:
    path = path.absolute()
    while path != path.parent and not os.path.ismount(path):
        path = path.parent
    return path


def no_temporary_folder() -> str:
    """What to say where no temporary file can be written: a full /tmp most often, or one that is read-only."""
    stated = os.environ.get("TMPDIR")
    tried = f"TMPDIR is {stated}, and neither there nor in /tmp" if stated else "neither in /tmp nor in /var/tmp"
    return f"no temporary file can be written: {tried} is there room and access (export TMPDIR=a folder that has both)"

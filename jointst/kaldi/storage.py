"""Bytes of files here and behind URLs (S3, GCS, HTTP and what else fsspec knows), tried again where a network fails."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jointst.common.errors import DataError, EnvironmentFault
from jointst.common.files import write_atomically
from jointst.common.processes import temporary
from jointst.common.units import Seconds

TRIES = 6
FIRST_WAIT: Seconds = 0.5
"""Before the second try; each further one waits twice as long, 15 s in all."""
DENIED = (401, 403, 405)
"""Answers of HTTP that another try does not change."""
INSTALL = "tools/install.sh --extra shards, or pip install 'jointst[shards]'"
_NETWORK = (
    ("aiohttp", "ClientError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"),
)
"""Errors of networks that are no OSError, where these libraries are in use."""
Result = TypeVar("Result")


def is_url(name: str) -> bool:
    """Whether a name is that of something behind a URL."""
    return "://" in name


def read_part(name: str, first: int, size: int) -> bytes:
    """Some bytes of a file.

    Raises:
        DataError: it is missing or too short, or cannot be reached; names it.
        EnvironmentFault: there is no package for such a URL.
    """
    content = _tried(name, lambda: _part(name, first, size))
    if len(content) > size:
        raise DataError("is sent whole, where a part was asked for", path=name, fix="a server that knows byte ranges")
    if len(content) < size:
        problem = f"is cut off: it holds {len(content)} of the {size} bytes from byte {first} on"
        raise DataError(problem, path=name, fix="make it again by jointst shard, or copy it again")
    return content


def _part(name: str, first: int, size: int) -> bytes:
    if not is_url(name):
        with open(name, "rb") as file:
            return os.pread(file.fileno(), size, first)
    system, path = _system(name)
    try:
        content: bytes = system.cat_file(path, start=first, end=first + size)
    except Exception as error:
        if _is_beyond_the_end(error):
            return b""
        raise
    if len(content) < size <= int(system.info(path)["size"] or 0) - first:
        raise ConnectionError(f"sent {len(content)} of {size} bytes")
    return content


def _is_beyond_the_end(error: Exception) -> bool:
    """Whether a server says that a file has no such bytes."""
    return _status(error) == 416 or "InvalidRange" in str(error) or "not satisfiable" in str(error)


def _status(error: Exception) -> int | None:
    """What HTTP calls an error, where it is one of HTTP."""
    name = "status" if hasattr(error, "status") else "code"
    found = str(getattr(error, name, ""))
    return int(found) if found.isdigit() else None


def read_whole(name: str) -> bytes | None:
    """All of a file; None if there is none.

    Raises:
        DataError: it cannot be reached.
        EnvironmentFault: as for :func:`read_part`.
    """

    def read() -> bytes:
        if not is_url(name):
            return Path(name).read_bytes()
        system, path = _system(name)
        content: bytes = system.cat_file(path)
        return content

    try:
        return _tried(name, read)
    except _Missing:
        return None


def size_of(name: str) -> int:
    """Bytes of a file, -1 if there is none."""

    def ask() -> int:
        if not is_url(name):
            return os.stat(name).st_size
        system, path = _system(name)
        return int(system.info(path)["size"])

    try:
        return _tried(name, ask)
    except _Missing:
        return -1


def put_file(made: Path, name: str) -> None:
    """Move a finished file to its place; whole or not at all.

    Raises:
        DataError: it cannot be written there.
    """
    if is_url(name):
        system, path = _system(name)
        _tried(name, lambda: system.put_file(str(made), path), writes=True)
        made.unlink()
    else:
        os.replace(made, name)


def put_bytes(content: bytes, name: str) -> None:
    """Write a file; whole or not at all.

    Raises:
        DataError: it cannot be written there.
    """
    if is_url(name):
        system, path = _system(name)
        _tried(name, lambda: system.pipe_file(path, content), writes=True)
    else:
        write_atomically(Path(name), content)


def scratch_for(name: str, scratch: Path) -> Path:
    """Where to write what :func:`put_file` will move: beside it, or in a folder here."""
    if is_url(name):
        return scratch / name.rpartition("/")[2]
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    return temporary(Path(name))


class _Missing(DataError):
    """There is no such file."""


def _system(name: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it; anew in each process, since these do not outlive a fork."""
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(name)
    except ImportError as error:
        raise EnvironmentFault(f"{name} cannot be read: {error} ({INSTALL})") from None
    except ValueError as error:
        fix = "s3://bucket/folder, gs://bucket/folder, https://host/folder, or a path"
        raise DataError(f"is of an unknown kind: {error}", path=name, fix=fix) from None
    return system, path


def _tried(name: str, work: Callable[[], Result], *, writes: bool = False) -> Result:
    """What some work gives, tried again while a network fails.

    Raises:
        _Missing: there is no such file.
        DataError: it may not be read or written, or not even the last try went well.
    """
    for attempt in range(TRIES):
        try:
            return work()
        except (FileNotFoundError, NotADirectoryError):
            fix = "correct its name, or make it: its folder must exist" if writes else "correct its name, or restore it"
            raise _Missing("there is no such file", path=name, fix=fix) from None
        except (PermissionError, NotImplementedError) as error:
            problem = f"cannot be {'written' if writes else 'read'}: {error or 'access is denied'}"
            raise DataError(problem, path=name, fix="give access, or log in") from None
        except _network_errors() as error:
            if not is_url(name):
                raise
            if _status(error) in DENIED:
                raise DataError(f"cannot be had: {error}", path=name, fix="give access, or log in") from None
            if attempt + 1 == TRIES:
                problem = f"cannot be reached, tried {TRIES} times: {str(error) or type(error).__name__}"
                raise DataError(
                    problem, path=name, fix="see to the network and the server, then run it again"
                ) from None
            time.sleep(FIRST_WAIT * 2**attempt * random.SystemRandom().uniform(0.5, 1.0))
    raise AssertionError("the last try returns or raises")


def _network_errors() -> tuple[type[Exception], ...]:
    """What a network may raise, as far as its libraries are in use."""
    known = [getattr(sys.modules[module], error) for module, error in _NETWORK if module in sys.modules]
    return (OSError, TimeoutError, *known)

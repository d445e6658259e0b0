"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from jointst.common.processes import temporary as temporary_of


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write a whole file or nothing: into a temporary file beside it, flushed, then renamed.

    Args:
        path: the file; its folder is made.
        content: text (UTF-8) or bytes.

    Raises:
        OSError: the disk is full or the folder cannot be written; a file that was there stays as it was.
    """
    with _renamed_when_done(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def write_lines_atomically(path: Path, lines: Iterable[str]) -> None:
    """Write lines as they come, so that a long file is never in memory; whole or nothing, as the other.

    Args:
        path: the file; its folder is made.
        lines: text with its line feeds (UTF-8).

    Raises:
        OSError: as for :func:`write_atomically`.
    """
    with _renamed_when_done(path) as stream:
        for line in lines:
            stream.write(line.encode())


@contextlib.contextmanager
def _renamed_when_done(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside ``path`` that takes its place once everything is written and flushed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(path)
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say where
        raise
    finally:
        temporary.unlink(missing_ok=True)

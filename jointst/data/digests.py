"""What large files hold, as a hash that is remembered beside them: reading tens of gigabytes takes minutes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from jointst.common.files import write_atomically
from jointst.common.units import Seconds

LARGE = 64 * 2**20
"""Bytes from which on a file's hash is remembered."""
MEMORY = ".digests.json"
"""Beside the files: size, times of the last change of content and of anything, in nanoseconds, and hash of each."""
FRESH: Seconds = 5.0
"""A file changed so shortly ago may change again without its times telling, where a clock ticks slowly."""
_BLOCK = 2**24


def is_large(path: Path) -> bool:
    """Whether a file is no longer read for each question about it."""
    return path.stat().st_size >= LARGE


def file_digest(path: Path) -> str:
    """The SHA-256 of a file; of a large one that has not changed since, as it was found before.

    Raises:
        OSError: it cannot be read.
    """
    stamp = _stamp(path)
    memory, known = path.parent / MEMORY, {}
    if is_large(path):
        known = _remembered(memory)
        if known.get(path.name, {}).get("stamp") == stamp:
            return str(known[path.name]["sha256"])
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    found = digest.hexdigest()
    if is_large(path) and _stamp(path) == stamp and time.time() - max(stamp[1:]) / 1e9 > FRESH:
        known[path.name] = {"stamp": stamp, "sha256": found}
        with contextlib.suppress(OSError):  # a folder that is not ours: it is read again next time
            write_atomically(memory, json.dumps(known, indent=1) + "\n")
    return found


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _remembered(memory: Path) -> dict[str, Any]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
        return known if isinstance(known, dict) and all(isinstance(own, dict) for own in known.values()) else {}
    except (OSError, ValueError):
        return {}

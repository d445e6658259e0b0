"""Which host and which processes are meant: for files that several hosts may write side by side."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
from pathlib import Path

from jointst.common.units import Seconds

OLD: Seconds = 24 * 3600.0
"""A temporary file of another host that has not been written to for so long is nobody's."""
_TEMPORARY = re.compile(r"\.([0-9a-f]{6})-([0-9]+)\.tmp")


def _host() -> str:
    """Six characters for this host; containers of one host differ, for they count their processes each for itself."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:6]


HOST = _host()


def temporary(path: Path) -> Path:
    """Where this process writes a file that is to become ``path``: hidden beside it, named by host and process."""
    return path.with_name(f".{path.name}.{HOST}-{os.getpid()}.tmp")


def remove_remains(folder: Path) -> None:
    """Remove what killed runs left behind: of this host that of dead processes, of others that of yesterday.

    Temporary files, and temporary folders with all that is in them.
    """
    for path in list(folder.rglob(".*.tmp*")):
        found = _TEMPORARY.search(path.name)
        if not found or not path.exists():
            continue
        host, process = found[1], int(found[2])
        if not is_alive(process) if host == HOST else _is_old(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > OLD
    except FileNotFoundError:
        return False


def is_alive(process: int) -> bool:
    """Whether a process of this host lives."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    try:  # it has ended, but its parent has not asked for its status: lasting where nobody adopts orphans
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return not Path("/proc/self").exists()  # gone by now, or a system without /proc

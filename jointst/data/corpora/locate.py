"""Where files are that people name: recordings in tables, and files and folders of their own in settings."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from jointst.common.errors import ConfigError, DataError

_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]+)://", re.IGNORECASE)
_DRIVE = re.compile(r"[a-z]:[\\/]|\\\\", re.IGNORECASE)
_LOOKED_INTO = 20
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def expand(key: str, written: str) -> str:
    """A path of the settings with ``~`` and environment variables, ``$SPEECH`` or ``${SPEECH}``, in their place.

    Args:
        key: the setting, for the message of an error.
        written: the path; it stays as it is where there is a file or folder of the very name.

    Raises:
        ConfigError: a variable is not set, or empty.
    """
    if os.path.lexists(written):
        return written
    for variable in (one or other for one, other in _VARIABLE.findall(written)):
        if not os.environ.get(variable):
            problem = f"{written!r} names the environment variable {variable}, which is not set"
            raise ConfigError(key, problem, f"export {variable}=/the/folder, or write the path")
    return os.path.expanduser(os.path.expandvars(written))


def locate(folder: Path, written: str) -> Path:
    """The sound file that ``written`` names: a path that is absolute, begins with ``~``, or is relative to ``folder``.

    Backslashes may stand for slashes, and accents may be composed or not, where there is no file of the very name.

    Raises:
        DataError: there is no such file, with what is near it; says nothing of where the path was found.
    """
    if not written:
        raise DataError("is empty", fix="the path of the recording")
    forms = dict.fromkeys((written, written.replace("\\", "/")))
    forms |= dict.fromkeys(os.path.expanduser(form) for form in list(forms))
    forms |= dict.fromkeys(unicodedata.normalize(name, form) for name in ("NFC", "NFD") for form in list(forms))
    for form in forms:
        if os.path.isfile(folder / form):
            return folder / form
    raise _missing(folder, written, list(forms)[1:])


def _missing(folder: Path, written: str, others: list[str]) -> DataError:
    """What is said of a path without a file."""
    address = _ADDRESS.match(written)
    if address and address["scheme"].lower() == "file":
        return DataError(f"{written!r} is an address", fix="write the path, without file://")
    if address:
        return DataError(f"{written!r} is an address, not a file", fix="download the recordings, write their paths")
    if _DRIVE.match(written):
        problem = f"{written!r} is a path of a Windows computer"
        return DataError(problem, fix=f"copy the recordings here, write paths relative to {folder}")
    path = folder / (others[0] if "\\" in written and others else written)
    problem, fix = f"there is no file {str(path)!r}", f"paths are relative to {folder}"
    if os.path.isdir(path):
        return DataError(f"{str(path)!r} is a folder", fix="the path of one recording")
    if os.path.isfile(written):
        return DataError(problem, fix=f"{fix}, and this one is relative to {Path.cwd()}")
    near = _names(str(path.parent)).get(path.name.casefold())
    if near:
        return DataError(problem, fix=f"there is {near}: capital letters matter here")
    near = next((name for name in _names(str(path.parent)).values() if os.path.splitext(name)[0] == path.name), None)
    if near:
        return DataError(problem, fix=f"there is {near}: write it whole")
    below = next((one for one in _folders(str(folder)) if path.name in _listed(str(folder / one))), None)
    return DataError(problem, fix=f"there is {below}/{path.name}: {fix}" if below else fix)


@lru_cache(maxsize=64)
def _folders(folder: str) -> list[str]:
    """The first few folders in a folder, where a file is looked for that is not there itself."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())[:_LOOKED_INTO]
    except (OSError, ValueError):
        return []


@lru_cache(maxsize=64)
def _listed(folder: str) -> frozenset[str]:
    """The files of a folder."""
    return frozenset(_names(folder).values())


@lru_cache(maxsize=64)
def _names(folder: str) -> dict[str, str]:
    """The files of a folder by their names without regard to case."""
    try:
        return {name.casefold(): name for name in os.listdir(folder)}
    except (OSError, ValueError):
        return {}

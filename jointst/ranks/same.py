"""Whether all processes see the same: files, settings, versions, weights. Otherwise they would train on a mixture."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from jointst.common.errors import DataError
from jointst.ranks.group import Group

WHOLE = 16 * 2**20
"""Bytes up to which a file is read as a whole; of a larger one :data:`PARTS` are read, for every process reads it."""
PARTS, PART = 64, 2**16
MISSING = "is missing"


def mark_of_file(path: Path) -> str:
    """What tells a file from another: size and content, of a large one its size and parts that are spread over it."""
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as stream:
            if size <= WHOLE:
                digest.update(stream.read())
            else:
                for number in range(PARTS):
                    stream.seek((size - PART) * number // (PARTS - 1))
                    digest.update(stream.read(PART))
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return digest.hexdigest()


def mark_of_arks(scp: Path) -> str:
    """The sizes of the files that a table of features names."""
    try:
        names = {line.split(maxsplit=1)[1].rpartition(":")[0] for line in scp.read_text().splitlines() if " " in line}
        return ", ".join(f"{name} {Path(name).stat().st_size}" for name in sorted(names))
    except OSError as error:
        return f"{error.filename}: {error.strerror}"


def mark_of_weights(state: Mapping[str, torch.Tensor]) -> str:
    """A hash of weights, to the bit."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def marks(files: Iterable[Path], others: Mapping[str, str]) -> dict[str, str]:
    """Everything to be compared, by what it is called in messages.

    Args:
        files: whose content is to be the same.
        others: more names, with what is to be the same.
    """
    found = {"Python": platform.python_version(), "torch": torch.__version__}
    for path in files:
        found[str(path)] = mark_of_file(path)
        if path.name == "feats.scp":
            found[f"the arks of {path}"] = mark_of_arks(path)
    return {**found, **others}  # which files decide, and so these are named where no file differs


def check_same(group: Group, found: Mapping[str, str]) -> None:
    """Every process has found the same; the first of them compares.

    Raises:
        DataError: another process sees something else: its rank, and what.
    """
    of_ranks = group.gather("same", dict(found))
    for rank, other in enumerate(of_ranks):
        for name in [*found, *other]:
            own, theirs = found.get(name, MISSING), other.get(name, MISSING)
            if own != theirs:
                raise DataError(
                    f"rank {rank} does not see the same {_in_words(name, own, theirs)} as rank 0",
                    fix="give all nodes the same file system and environment, or copy this from the first node",
                )
    if group.first:
        group.tell("same", True)
    else:
        group.told("same")


def _in_words(name: str, own: str, theirs: str) -> str:
    if MISSING in (own, theirs):
        return f"{name} (it {MISSING} {'here' if own == MISSING else 'there'})"
    if max(len(own), len(theirs)) < 64:
        return f"{name} ({theirs} there, {own} here)"
    return name

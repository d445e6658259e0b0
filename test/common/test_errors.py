"""Errors keep their parts, also on the way from another process."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest

from jointst.common.errors import CollapseError, ConfigError, DataError, EnvironmentFault, JointstError, explain
from jointst.common.parallel import run_jobs
from jointst.config.load import from_yaml

ERRORS = [
    ConfigError("model.dim", "is 3", "a multiple of 4"),
    ConfigError("dim", "is 3").under("model"),
    DataError("is empty", path=Path("data/x/text"), line=3, utterance="a-1", fix="remove it"),
    DataError("an empty set"),
    EnvironmentFault("no sox"),
    CollapseError("update 3"),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_pickled_and_back(error: JointstError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_settings_refused_in_a_worker_are_refused_here(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model:\n  dim: 3\n")
    with pytest.raises(ConfigError, match=r"model.dim: is 3"):
        run_jobs(from_yaml, [path, path], 2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/proc/self/x"),
            "/proc/self/x: No space left on device on the",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/proc/self/x"),
            "the disk mounted at /proc; what was finished",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device on the disk mounted at /"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "x: Disk quota exceeded; what was finished is kept: make"),
        (
            OSError(errno.EROFS, "Read-only file system", "x"),
            "x: Read-only file system; what was finished is kept: give",
        ),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in [...]"), "no temporary file can be"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), "x: No such file or directory"),
        (OSError("of a library"), ""),
    ],
)
def test_errors_of_the_system_are_explained(error: OSError, said: str) -> None:
    assert said in explain(error)
    assert bool(said) == bool(explain(error))


def test_a_stated_folder_for_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TMPDIR", "/gone")
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/gone', '/tmp']")
    assert "TMPDIR is /gone" in explain(error)

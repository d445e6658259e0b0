"""What is stored with a run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from jointst.common import versions


def test_versions_are_json_and_complete() -> None:
    record = json.loads(json.dumps(versions.versions()))
    assert record["packages"]["torch"].startswith("2.")
    assert None not in record["packages"].values()
    assert {"git_commit", "git_dirty", "python", "platform", "machine", "cpus"} <= set(record)


def test_git_state_follows_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "ROOT", tmp_path.resolve())
    assert versions.git_state() == (None, None), "no checkout"

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.hooksPath=/dev/null"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "file").write_text("1\n")
    git("init")
    git("add", "file")
    git("commit", "-m", "first")
    commit, dirty = versions.git_state()
    assert commit is not None
    assert len(commit) == 40
    assert dirty is False
    (tmp_path / "file").write_text("2\n")
    assert versions.git_state() == (commit, True)
    (tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(versions, "ROOT", (tmp_path / "site-packages").resolve())
    assert versions.git_state() == (None, None), "a copy inside somebody else's checkout"

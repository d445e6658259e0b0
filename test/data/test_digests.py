"""Hashes of large files are remembered as long as the files are what they were."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from jointst.data import digests
from jointst.data.digests import MEMORY, file_digest, is_large


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large, and as old enough."""
    monkeypatch.setattr(digests, "LARGE", 3)
    monkeypatch.setattr(digests, "FRESH", -10.0)
    path = tmp_path / "text"
    path.write_text("one")
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_large_file_is_read_once(file: Path) -> None:
    assert is_large(file)
    assert file_digest(file) == sha256(b"one")
    memory = file.parent / MEMORY
    known = json.loads(memory.read_text())
    known["text"]["sha256"] = "as remembered"
    memory.write_text(json.dumps(known))
    assert file_digest(file) == "as remembered"
    other = file.with_name("phones")
    other.write_text("two")
    assert file_digest(other) == sha256(b"two")
    assert json.loads(memory.read_text()).keys() == {"text", "phones"}


def test_a_file_that_has_changed_is_read_again(file: Path) -> None:
    before = file.stat()
    assert file_digest(file) == sha256(b"one")
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digest(file) == sha256(b"two"), "whoever sets its time back changes the other one"


def test_small_and_fresh_files_are_always_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "FRESH", 5.0)
    assert file_digest(file) == sha256(b"one")
    monkeypatch.setattr(digests, "FRESH", -10.0)
    monkeypatch.setattr(digests, "LARGE", 4)
    assert not is_large(file)
    assert file_digest(file) == sha256(b"one")
    assert not (file.parent / MEMORY).exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"text": 3}', '{"text": {"stamp": 1}}'])
def test_a_damaged_memory_is_made_anew(content: str, file: Path) -> None:
    (file.parent / MEMORY).write_text(content)
    assert file_digest(file) == sha256(b"one")
    assert json.loads((file.parent / MEMORY).read_text())["text"]["sha256"] == sha256(b"one")


def test_a_folder_that_nobody_may_write_in(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(digests, "write_atomically", refused)
    assert file_digest(file) == sha256(b"one")

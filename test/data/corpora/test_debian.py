"""Debian packages: archives put there by hand are taken, damaged ones and a missing apt are explained."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from jointst.common.errors import EnvironmentFault
from jointst.data.corpora.debian import fetch

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg")


def make_archive(folder: Path, package: str, content: str) -> Path:
    root = folder / "tree"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: test\n"
    )
    (root / "usr").mkdir()
    (root / "usr" / "file").write_text(content)
    archive = folder / f"{package}_1_all.deb"
    call = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(root), str(archive)]
    subprocess.run(call, check=True, capture_output=True)
    shutil.rmtree(root)
    return archive


def test_archive_put_there_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path, "some-text", "hello")
    folders = fetch(["some-text"], tmp_path)
    assert (folders["some-text"] / "usr" / "file").read_text() == "hello"
    archive.unlink()
    monkeypatch.setenv("PATH", "")  # unpacked before: neither apt nor dpkg is called again
    assert fetch(["some-text"], tmp_path) == folders


def test_damaged_archive(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "some-text", "hello")
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(EnvironmentFault, match=r"some-text_1_all\.deb cannot be unpacked.*remove it"):
        fetch(["some-text"], tmp_path)
    assert not (tmp_path / "debian" / "some-text").exists()


def test_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="apt-get is not here") as caught:
        fetch(["some-text"], tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "https://packages.debian.org/stable/all/some-text/download" in str(caught.value)


def test_apt_that_fails_is_quoted_and_own_lists_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-get").write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\necho "E: no network today" >&2\nexit 100\n'
    )
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    with pytest.raises(EnvironmentFault, match="cannot fetch some-text: E: no network today"):
        fetch(["some-text"], tmp_path)
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert first.endswith("download some-text")
    assert second.endswith("update")
    assert f"Dir::State::Lists={tmp_path}/debian/.apt/lists" in second
    assert [path.name for path in (tmp_path / "debian").iterdir()] == [".apt"]

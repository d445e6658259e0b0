"""Readers of pretrained audio encoders."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pretrained.small_whisper import small_whisper, variables, write_ctranslate2, write_hub

from fuzz.target import HARD, WORDS32, Target
from jointst.pretrained.registry import open_encoder
from jointst.pretrained.whisper import WhisperEncoder

FOLDER = Path("encoder_folder")
SETTINGS = (*HARD, b'"d_model": ', b'"encoder_layers": 3', b'"whisper"', b"1e3", b"null", b"true", b"[]", b"1000000000")


def _smallest() -> WhisperEncoder:
    return small_whisper(mel_bins=4, dim=4, layers=1, heads=1, inner=4, positions=4)


def _model_bin() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        return ((write_ctranslate2(Path(folder), variables(_smallest())) / "model.bin").read_bytes(),)


def _read_model_bin(content: bytes) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "model.bin").write_bytes(content)
    open_encoder("whisper", FOLDER)


def _hub(name: str) -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        return ((write_hub(Path(folder), _smallest()) / name).read_bytes(),)


def _read_hub(content: bytes, name: str) -> None:
    write_hub(FOLDER, _smallest())
    (FOLDER / name).write_bytes(content)
    open_encoder("whisper", FOLDER)


TARGETS = [
    Target(name="whisper_ctranslate2", seeds=_model_bin, read=_read_model_bin, names="encoder_folder", pieces=WORDS32),
    Target(
        name="whisper_config",
        seeds=lambda: _hub("config.json"),
        read=lambda content: _read_hub(content, "config.json"),
        names="encoder_folder",
        pieces=SETTINGS,
    ),
    Target(
        name="whisper_weights",
        seeds=lambda: _hub("model.safetensors"),
        read=lambda content: _read_hub(content, "model.safetensors"),
        names="encoder_folder",
        pieces=(*WORDS32, b"F16", b"I64", b"conv1", b'"shape":[', b"1000000000"),
    ),
]

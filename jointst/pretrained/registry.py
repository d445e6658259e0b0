"""The kinds of pretrained encoders; one kind is one module here, named in :data:`ENCODERS`."""

from __future__ import annotations

import importlib
from pathlib import Path

from jointst.common.errors import ConfigError
from jointst.pretrained.encoder import PretrainedEncoder

ENCODERS = {
    "whisper": "jointst.pretrained.whisper:WhisperEncoder",
    "w2v_bert": "jointst.pretrained.w2v_bert:W2vBertEncoder",
    "wav2vec2": "jointst.pretrained.wav2vec2:Wav2Vec2Encoder",
    "hubert": "jointst.pretrained.wav2vec2:HubertEncoder",
    "wavlm": "jointst.pretrained.wav2vec2:WavLmEncoder",
    "nemotron": "jointst.pretrained.nemotron:NemotronEncoder",
}
"""Class of each kind, imported when it is asked for: some need packages of the extra ``pretrained``."""


def encoder_class(kind: str) -> type[PretrainedEncoder]:
    """The class of a kind.

    Raises:
        ConfigError: an unknown kind.
    """
    if kind not in ENCODERS:
        raise ConfigError("model.audio_encoder.kind", f"is {kind!r}", f"known: conformer {' '.join(ENCODERS)}")
    module, _, name = ENCODERS[kind].partition(":")
    found: type[PretrainedEncoder] = getattr(importlib.import_module(module), name)
    return found


def open_encoder(kind: str, folder: Path) -> PretrainedEncoder:
    """The encoder of a kind whose weights are in a folder.

    Raises:
        ConfigError: an unknown kind.
        DataError: from :meth:`PretrainedEncoder.open`.
    """
    return encoder_class(kind).open(folder)

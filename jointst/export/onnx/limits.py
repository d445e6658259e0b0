"""What sherpa-onnx cannot run, and why."""

from __future__ import annotations

import importlib.util

from jointst.common.errors import EnvironmentFault, JointstError
from jointst.models.build import Trained
from jointst.pretrained.encoder import FeatureKind
from jointst.pretrained.registry import encoder_class

PACKAGES = ("onnx", "onnxruntime")
"""What stage 10 needs; ``--check`` needs sherpa_onnx too."""
WINDOW, HOP = 25.0, 10.0
"""Milliseconds of a window and of a shift in sherpa-onnx."""
LARGEST = 2**31
"""Bytes, of which a file of a graph holds fewer."""
OTHER_FEATURES: dict[FeatureKind, str] = {
    "whisper_mel": "reads Whisper's log-mel features, cut off 8 below the loudest of the recording, and to a "
    "transducer sherpa-onnx gives Kaldi's",
    "nemotron_mel": "reads NeMo's log-mel features, which sherpa-onnx computes for NeMo's own models alone",
    "waveform": "reads samples, and to a transducer sherpa-onnx gives log-mel features",
}
"""Why pretrained encoders that read these cannot be exported; others read our own log-mel features."""


class CannotExport(JointstError):
    """A model that sherpa-onnx cannot run as it is."""


def require_packages(*names: str) -> None:
    """Refuse to go on without packages.

    Raises:
        EnvironmentFault: one is not installed.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        install = "pip install 'jointst[export]', or tools/install.sh --extra export"
        raise EnvironmentFault(f"needs the packages {' '.join(missing)} ({install})")


def require_exportable(trained: Trained) -> None:
    """Refuse a model that has no form in sherpa-onnx.

    What looks ahead, counts or adds inside the encoders is no matter, for all of it is in the graphs: any subsampling,
    right context and chunk, and the vector of no language of a language embedding.

    Raises:
        CannotExport: with the setting and the reason.
    """
    model, features = trained.config.model, trained.config.features
    if model.audio_encoder.pretrained is not None:
        _require_own_features(model.audio_encoder.kind)
    if model.decoder.predictor != "embedding":
        problem = "sherpa-onnx gives its predictor the last labels and keeps no other state but for NeMo's models, "
        problem += "whose features are not ours"
        raise CannotExport(f"model.decoder.predictor is {model.decoder.predictor}: {problem} (train with: embedding)")
    if (features.window, features.hop) != (WINDOW, HOP):
        problem = f"sherpa-onnx computes features of {WINDOW:g} ms every {HOP:g} ms"
        raise CannotExport(f"features.window is {features.window:g} ms, features.hop {features.hop:g} ms: {problem}")
    if features.sampling_rate != round(features.sampling_rate):
        raise CannotExport(f"features.sampling_rate is {features.sampling_rate}: sherpa-onnx takes whole hertz alone")
    for label, piece in enumerate(trained.symbols.tokenizer.pieces(range(trained.symbols.tokenizer.size))):
        if len(piece.split()) != 1 or piece.strip() != piece:
            raise CannotExport(f"label {label} is {piece!r}: spaces within a piece end it in sherpa-onnx's tokens.txt")
    parts = [trained.model, trained.front_end.frozen_encoder]
    parameters = sum(weight.numel() for part in parts if part is not None for weight in part.parameters())
    if 4 * parameters >= LARGEST:
        size = f"{parameters / 1e6:.0f} M parameters are {4 * parameters / 1e9:.1f} GB in float32"
        raise CannotExport(f"{size}: a file of a graph holds less than {LARGEST / 1e9:.1f} GB")


def _require_own_features(kind: str) -> None:
    reason = OTHER_FEATURES.get(encoder_class(kind).features)
    if reason is not None:
        raise CannotExport(f"model.audio_encoder.kind is {kind}: it {reason}")

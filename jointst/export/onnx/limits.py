"""What sherpa-onnx cannot run, and why."""

from __future__ import annotations

import importlib.util

from jointst.build import Trained
from jointst.errors import EnvironmentFault, JointstError

PACKAGES = ("onnx", "onnxruntime")
"""What stage 10 needs; ``--check`` needs sherpa_onnx too."""
WINDOW, HOP = 25.0, 10.0
"""Milliseconds of a window and of a shift in sherpa-onnx."""


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
        problem = "graphs hold no pretrained encoders yet, and sherpa-onnx computes other features than these read"
        raise CannotExport(f"model.audio_encoder.kind is {model.audio_encoder.kind}: {problem}")
    if model.decoder.predictor != "embedding":
        problem = "sherpa-onnx gives its predictor the last labels and keeps no other state"
        raise CannotExport(f"model.decoder.predictor is {model.decoder.predictor}: {problem} (train with: embedding)")
    if (features.window, features.hop) != (WINDOW, HOP):
        problem = f"sherpa-onnx computes features of {WINDOW:g} ms every {HOP:g} ms"
        raise CannotExport(f"features.window is {features.window:g} ms, features.hop {features.hop:g} ms: {problem}")
    if features.sampling_rate != round(features.sampling_rate):
        raise CannotExport(f"features.sampling_rate is {features.sampling_rate}: sherpa-onnx takes whole hertz alone")
    for label, piece in enumerate(trained.symbols.tokenizer.pieces(range(trained.symbols.tokenizer.size))):
        if len(piece.split()) != 1 or piece.strip() != piece:
            raise CannotExport(f"label {label} is {piece!r}: spaces within a piece end it in sherpa-onnx's tokens.txt")

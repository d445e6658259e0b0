"""What graphs and the model are both given to hear: utterances of data directories.

T samples or frames, F mel bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from jointst.common.errors import DataError
from jointst.config.context import Context
from jointst.data.read_features import read_features
from jointst.kaldi.audio import Samples, load_audio
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.log_mel import log_mel
from jointst.kaldi.tables import read_table
from jointst.models.build import Trained

COMPARED = 4
"""Utterances that are compared."""
LONGEST = 2000
"""Frames of each at most."""


def audio_of(directory: DataDirectory, utterance: str, rate: float) -> Samples:
    """The samples (T,) of an utterance.

    Raises:
        DataError: it has none, or they cannot be read.
    """
    entry = directory.wav_scp.get(directory.recording(utterance))
    path = directory.path / "wav.scp"
    if entry is None:
        raise DataError("has no audio in wav.scp", path=path, utterance=utterance, fix="name a set with audio")
    return load_audio(entry, directory.segments.get(utterance), rate, utterance=utterance, path=path)


def compared_features(context: Context, trained: Trained) -> tuple[list[Tensor], str]:
    """Log-mel features (T, F) of utterances to compare, and what they are: of the dev sets, or noise where there are
    none."""
    features = trained.config.features
    floor = math.log(features.floor)  # what the graphs lift all to; compressed arks round to below it
    try:
        # a frozen encoder's states are what is kept of the dev sets: what it made them of is not
        found = _computed(context, trained) if trained.config.model.audio_encoder.frozen else _kept(context)
        if found and all(matrix.shape[1] == features.mel_bins for matrix in found):
            return [matrix.clamp_min(floor) for matrix in found], f"utterances of {' '.join(context.config.data.dev)}"
    except (DataError, OSError, ValueError):  # as where a trained model alone was copied to
        pass
    generator = torch.Generator().manual_seed(0)
    noise = [10 + 3 * torch.randn(frames, features.mel_bins, generator=generator) for frames in (350, 217, 90, 41)]
    return [matrix.clamp_min(floor) for matrix in noise], "pieces of noise, for want of features of the dev sets"


def _kept(context: Context) -> list[Tensor]:
    """Those of stage 4."""
    entries: list[str] = []
    for name in context.config.data.dev:
        entries += read_table(context.data / name / "feats.scp").values()
    return [read_features(entry)[:LONGEST] for entry in _some(entries)]


def _computed(context: Context, trained: Trained) -> list[Tensor]:
    """Computed from the audio."""
    features, given = trained.config.features, []
    for name in context.config.data.dev:
        directory = DataDirectory.read(context.data / name)
        for utterance in _some(directory.utterances):
            samples = torch.from_numpy(audio_of(directory, utterance, features.sampling_rate))
            given.append(log_mel(samples, features)[:LONGEST])
    return given[:COMPARED]


def _some(names: Sequence[str]) -> list[str]:
    """:data:`COMPARED` of them at most, from all over."""
    return sorted(names)[:: max(1, len(names) // COMPARED)][:COMPARED]

"""The features of an utterance by its value in ``feats.scp``: in an ark, or made of its audio each time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

import kaldiio
import numpy as np
import torch
from torch import Tensor

from jointst.common.errors import DataError
from jointst.data.on_the_fly import FIX, find_spoken, is_on_the_fly
from jointst.kaldi.audio import Samples

# T samples, N frames, F values of a frame


class Augment(Protocol):
    """What changes the audio of training speech."""

    def __call__(self, samples: Samples, *, utterance: str, step: int) -> Samples:
        """Samples (T,) of an utterance as a step of the training hears them, as many."""
        ...


def read_features(
    place: str, utterance: str | None = None, change: Callable[[Samples], Samples] | None = None
) -> Tensor:
    """Features of an utterance, (N, F) float32.

    Args:
        place: its value in ``feats.scp``.
        utterance: for the message of an error.
        change: what is done to its audio before, where features are made each time.

    Raises:
        DataError: they cannot be read or made, by name.
    """
    if is_on_the_fly(place):
        spoken = find_spoken(place)
        samples = spoken.samples()
        return spoken.features(samples if change is None else change(samples))
    try:
        matrix = kaldiio.load_mat(place)
    except (OSError, ValueError, AssertionError, EOFError, RuntimeError, struct.error) as error:
        problem = f"features cannot be read: {error}"
        raise DataError(problem, path=place, utterance=utterance, fix=f"{FIX}, with --force") from None
    return torch.from_numpy(np.array(matrix, dtype=np.float32))

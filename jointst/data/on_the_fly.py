"""Features made each time of the audio: a line of a file says of each utterance where that is, as arks hold features.

``feats.scp`` names the byte at which an utterance's line begins, ``dump/<set>/feats.1.jsonl:1234``. The first line of
such a file holds what features are made with, so that it needs no settings to be read.

T samples, N frames, F values of a frame.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointst.common.errors import DataError
from jointst.config import AudioEncoderConfig, FeatureConfig
from jointst.kaldi.audio import Samples, load_audio
from jointst.kaldi.directory import Segment
from jointst.kaldi.speed import change_speed

if TYPE_CHECKING:
    from torch import Tensor

    from jointst.pretrained.front_end import FrontEnd

SUFFIX = ".jsonl"
FIX = "run stage 4, features"


@dataclass(frozen=True)
class Recipe:
    """What features are made with.

    Attributes:
        config: sizes.
        encoder: settings and folder of a pretrained encoder that is fine-tuned, whose features they are; or None.
        wav_scp: where the audio was named, for messages.
    """

    config: FeatureConfig
    encoder: tuple[AudioEncoderConfig, Path] | None
    wav_scp: Path

    def to_line(self) -> str:
        """The first line of a file."""
        encoder = None if self.encoder is None else [dataclasses.asdict(self.encoder[0]), str(self.encoder[1])]
        content = {"features": dataclasses.asdict(self.config), "encoder": encoder, "wav_scp": str(self.wav_scp)}
        return json.dumps(content, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, line: str) -> Recipe:
        """Read what :meth:`to_line` wrote."""
        content: dict[str, Any] = json.loads(line)
        stated: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in content["features"].items()}
        encoder = content["encoder"]
        heard = None if encoder is None else (AudioEncoderConfig(**encoder[0]), Path(encoder[1]))
        return cls(FeatureConfig(**stated), heard, Path(content["wav_scp"]))


@dataclass(frozen=True)
class Spoken:
    """An utterance whose features are made each time.

    Attributes:
        recipe: with what.
        utterance: its id in the set.
        entry: its audio, as in ``wav.scp``.
        segment: the part of that; None for all.
        speed: at which it is played.
        frames: that it had when they were counted.
    """

    recipe: Recipe
    utterance: str
    entry: str
    segment: Segment | None
    speed: float
    frames: int

    def to_line(self) -> str:
        """Its line in a file."""
        part = None if self.segment is None else dataclasses.astuple(self.segment)
        return json.dumps([self.utterance, self.entry, part, self.speed, self.frames], ensure_ascii=False) + "\n"

    def samples(self) -> Samples:
        """Its audio, (T,).

        Raises:
            DataError: it cannot be read, by name.
        """
        rate, path = self.recipe.config.sampling_rate, self.recipe.wav_scp
        samples = load_audio(self.entry, self.segment, rate, utterance=self.utterance, path=path)
        return change_speed(samples, self.speed)

    def features(self, samples: Samples) -> Tensor:
        """The features (N, F) float32 of its audio, or of what was made of that.

        Raises:
            DataError: they are more or fewer than were counted.
        """
        import torch

        (features,) = _front_end(self.recipe.config, self.recipe.encoder)([torch.from_numpy(samples)])
        if len(features) != self.frames:
            problem = f"gives {len(features)} frames, and {self.frames} when they were counted: its audio was changed"
            raise DataError(problem, path=self.entry, utterance=self.utterance, fix=FIX)
        return features.float()


def is_on_the_fly(place: str) -> bool:
    """Whether a value of ``feats.scp`` names such a line, and no ark."""
    return place.rpartition(":")[0].endswith(SUFFIX)


def find_spoken(place: str) -> Spoken:
    """The utterance that a value of ``feats.scp`` names.

    Raises:
        DataError: the file is missing, or holds no utterance there.
    """
    name, _, offset = place.rpartition(":")
    try:
        recipe = _recipe(name, os.stat(name).st_mtime_ns)
        with open(name, "rb") as file:
            file.seek(int(offset))
            utterance, entry, part, speed, frames = json.loads(file.readline())
            segment = None if part is None else Segment(*part)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it holds no utterance there"
        raise DataError(f"features cannot be made: {said}", path=place, fix=f"{FIX}, with --force") from None
    return Spoken(recipe, utterance, entry, segment, speed, frames)


@lru_cache(maxsize=4096)
def _recipe(name: str, stamp: int) -> Recipe:
    """That of a file as it was at a time of change."""
    del stamp
    with open(name, encoding="utf-8") as file:
        return Recipe.parse(file.readline())


@lru_cache(maxsize=4)
def _front_end(config: FeatureConfig, encoder: tuple[AudioEncoderConfig, Path] | None) -> FrontEnd:
    from jointst.pretrained.front_end import front_end

    return front_end(config, encoder)

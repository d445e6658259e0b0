"""Training speech in rooms, with noise, through telephones: each draw a pure function of seed, step and utterance.

T samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from jointst.common.errors import ConfigError, DataError
from jointst.common.units import Hertz, Seconds
from jointst.config import AugmentationConfig
from jointst.config.augmentation import MADE_NOISES, MADE_ROOMS
from jointst.data.noise import (
    SLOPES,
    add_noise,
    coloured,
    in_room,
    made_response,
    power,
    stretched,
    through_codec,
)
from jointst.data.on_the_fly import find_spoken
from jointst.data.sound_folders import Piece, check_short, find_pieces
from jointst.kaldi.audio import Samples

if TYPE_CHECKING:
    from numpy.random import Generator

VOICES = (3, 8)
"""Voices of babble: fewest, and one more than most [ours]."""
POOL = 64
"""Utterances of the training speech that babble is made of, which each loader process keeps in memory."""
LONGEST_VOICE: Seconds = 10.0
"""Of an utterance of the pool at most: 40 MB of all at 16000 hertz."""
LONGEST_RESPONSE: Seconds = 20.0
"""A room response that is longer is taken for something else."""
KEPT = 256
"""Room responses of files that each loader process keeps in memory."""

Noise = Callable[[int, str, "Generator"], Samples]
"""Gives samples of noise, as many as are asked for, for an utterance of a name."""
Room = Callable[["Generator"], Samples]
"""Gives a room response."""
Choice = TypeVar("Choice")


class Harder:
    """Changes the audio of training speech.

    Args:
        config: how often and how much.
        rate: of the audio.
        seed: of all draws.
        noises, rooms: where these come from, each as likely.
    """

    def __init__(
        self, config: AugmentationConfig, rate: Hertz, seed: int, noises: Sequence[Noise], rooms: Sequence[Room]
    ) -> None:
        self._config = config
        self._rate = rate
        self._seed = seed
        self._noises = noises
        self._rooms = rooms

    def __call__(self, samples: Samples, *, utterance: str, step: int) -> Samples:
        """Samples (T,) of an utterance as a step of the training hears them, as many."""
        config = self._config
        name = int.from_bytes(hashlib.blake2b(utterance.encode(), digest_size=8).digest(), "big")
        generator = np.random.default_rng((self._seed, step, name))
        # What happens is drawn first, so that it stays when the settings of one of them change.
        room, noise, codec = generator.random(3) < (config.room, config.noise, config.codec)
        snr, gain = generator.uniform(*config.snr), generator.uniform(*config.gain)
        law = config.codecs[int(generator.integers(len(config.codecs)))]
        if room:
            respond = _one_of(self._rooms, generator)
            samples = in_room(samples, respond(generator))
        if noise:
            make = _one_of(self._noises, generator)
            samples = add_noise(samples, make(len(samples), utterance, generator), snr)
        if gain:
            samples = samples * np.float32(10 ** (gain / 20))
        return through_codec(samples, self._rate, law) if codec else samples


def _one_of(choices: Sequence[Choice], generator: Generator) -> Choice:
    return choices[int(generator.integers(len(choices)))]


class Babble:
    """Several voices of the training speech at once.

    Args:
        places: of some utterances, as ``feats.scp`` says, by name.
        rate: of their audio.
    """

    def __init__(self, places: Sequence[tuple[str, str]], rate: Hertz) -> None:
        self._places = places
        self._most = round(LONGEST_VOICE * rate)
        self._kept: dict[str, Samples] = {}

    def __call__(self, length: int, utterance: str, generator: Generator) -> Samples:
        """Samples (T,) of some voices, each as loud; not that of the utterance itself."""
        count = int(generator.integers(*VOICES))
        chosen = generator.permutation(len(self._places))[: count + 1].tolist()
        others = [self._places[i] for i in chosen if self._places[i][0] != utterance][:count]
        total = np.zeros(length, dtype=np.float32)
        for name, place in others:
            voice = stretched(self._voice(name, place), length, generator)
            loud = power(voice)
            if loud:
                total += voice / np.float32(np.sqrt(loud))
        return total

    def _voice(self, name: str, place: str) -> Samples:
        if name not in self._kept:
            self._kept[name] = find_spoken(place).samples()[: self._most].copy()
        return self._kept[name]


def _made_noise(slope: float, rate: Hertz, length: int, utterance: str, generator: Generator) -> Samples:
    return coloured(length, slope, rate, generator)


def _noise_of(pieces: Sequence[Piece], rate: Hertz, length: int, utterance: str, generator: Generator) -> Samples:
    """As long a part of one of the recordings, from anywhere in it."""
    piece = _one_of(pieces, generator)
    room = piece.seconds - length / rate
    if room <= 0:
        return stretched(piece.read(rate), length, generator)
    start = generator.uniform(0.0, room)
    end = min(piece.seconds, start + length / rate + 0.5)  # more than is needed, for rates are converted
    return stretched(piece.read(rate, (start, end)), length, generator)


def _made_room(reverberation: tuple[Seconds, Seconds], rate: Hertz, generator: Generator) -> Samples:
    return made_response(generator.uniform(*reverberation), rate, generator)


def _room_of(pieces: Sequence[Piece], rate: Hertz, generator: Generator) -> Samples:
    return _response(_one_of(pieces, generator), rate)


@lru_cache(maxsize=KEPT)
def _response(piece: Piece, rate: Hertz) -> Samples:
    return piece.read(rate)


def make_harder(
    config: AugmentationConfig,
    rate: Hertz,
    seed: int,
    speech: Sequence[tuple[str, str]],
    remembered: Path | None = None,
) -> Harder | None:
    """What changes the audio of training speech; None if nothing does.

    Args:
        config: ``training.augmentation``.
        rate: of the audio.
        seed: of all draws.
        speech: names of training utterances and their values in ``feats.scp``, for babble.
        remembered: folder of the files that keep what was found in the sounds of folders.

    Raises:
        ConfigError: a source is neither a folder nor one of those that are made.
        DataError: a folder has no sounds, or one of them cannot be used; names it.
    """
    if not config.does_something:
        return None
    noises: list[Noise] = []
    for source in config.noises if config.noise else ():
        if source in SLOPES:
            noises.append(partial(_made_noise, SLOPES[source], rate))
        elif source == "babble":
            noises.append(Babble(speech, rate))
        else:
            noises.append(partial(_noise_of, _pieces("noises", source, MADE_NOISES, remembered), rate))
    rooms: list[Room] = []
    for source in config.rooms if config.room else ():
        if source in MADE_ROOMS:
            rooms.append(partial(_made_room, config.reverberation, rate))
        else:
            pieces = _pieces("rooms", source, MADE_ROOMS, remembered)
            check_short(pieces, LONGEST_RESPONSE)
            rooms.append(partial(_room_of, pieces, rate))
    return Harder(config, rate, seed, noises, rooms)


def _pieces(key: str, source: str, made: Sequence[str], remembered: Path | None) -> list[Piece]:
    """The sounds of a folder that a setting names."""
    if not Path(source).exists():
        problem = f"there is no folder {source}"
        raise ConfigError(f"training.augmentation.{key}", problem, f"correct its name, or one of: {' '.join(made)}")
    mark = hashlib.sha256(str(Path(source).resolve()).encode()).hexdigest()[:12]
    kept = None if remembered is None else remembered / f"audio_{key}_{mark}.json"
    try:
        return find_pieces(source, kept)
    except DataError as fault:
        problem = f"{fault.problem} (in training.augmentation.{key})"
        raise DataError(problem, path=fault.path, utterance=fault.utterance, line=fault.line, fix=fault.fix) from None


def some_speech(count: int, at: Callable[[int], tuple[str, str]]) -> list[tuple[str, str]]:
    """Names and places of :data:`POOL` of ``count`` utterances at most, evenly spread."""
    return [at(i) for i in range(0, count, max(1, -(-count // POOL)))]

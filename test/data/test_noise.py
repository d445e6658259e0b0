"""Noise, rooms and codecs against slow references and against what their names promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference.g711 import levels_of, round_trip

from jointst.data.noise import add_noise, coloured, in_room, made_response, power, stretched, through_codec

RATE = 16000


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sounds(length: int, seed: int = 0, scale: float = 0.1) -> np.ndarray:
    return (scale * generator(seed).standard_normal(length)).astype(np.float32)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 12.5])
def test_noise_is_so_many_decibels_below_speech(snr: float) -> None:
    speech, noise = sounds(4000, 1), sounds(4000, 2, scale=0.7)
    added = add_noise(speech, noise, snr) - speech
    assert 10 * math.log10(power(speech) / power(added)) == pytest.approx(snr, abs=1e-3)
    assert np.corrcoef(added, noise)[0, 1] == pytest.approx(1.0, abs=1e-4)


def test_silence_stays_as_it_is() -> None:
    speech, silence = sounds(400), np.zeros(400, np.float32)
    assert add_noise(speech, silence, 5.0) is speech
    assert add_noise(silence, speech, 5.0) is silence
    assert not in_room(silence, made_response(0.3, RATE, generator())).any()


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_power_falls_with_the_slope_and_nothing_lies_below_hearing(slope: float) -> None:
    spectrum = np.abs(np.fft.rfft(coloured(1 << 16, slope, RATE, generator()))) ** 2
    frequencies = np.fft.rfftfreq(1 << 16, 1 / RATE)
    bands = [(100, 200), (400, 800), (1600, 3200)]
    means = [spectrum[(frequencies >= low) & (frequencies < high)].mean() for low, high in bands]
    for lower, higher in zip(means, means[1:]):
        assert math.log(lower / higher, 4) == pytest.approx(slope, abs=0.1)
    assert spectrum[frequencies < 20].max() < 1e-6 * spectrum.max()


@pytest.mark.parametrize("length", [1, 2, 399, 4097])
def test_noise_has_the_length_that_is_asked_for(length: int) -> None:
    assert coloured(length, 1.0, RATE, generator()).shape == (length,)
    for size in (0, 1, 100, 5000):
        assert stretched(sounds(size), length, generator()).shape == (length,)


def test_a_short_sound_goes_on_from_its_beginning() -> None:
    sound = np.arange(1, 6, dtype=np.float32)
    made = stretched(sound, 12, generator(3))
    assert set(made[:5]) == set(sound)
    assert all(after % 5 == (before + 1) % 5 for before, after in zip(made, made[1:]))
    long = np.arange(100, dtype=np.float32)
    assert {int(stretched(long, 98, generator(seed))[0]) for seed in range(40)} == {0, 1, 2}


@pytest.mark.parametrize("direct", [0, 7, 63])
def test_a_room_is_a_convolution_that_is_neither_late_nor_louder(direct: int) -> None:
    speech, response = sounds(500), 0.2 * sounds(64, 5)
    response[direct] = 1.0
    heard = in_room(speech, response)
    expected = np.convolve(speech.astype(np.float64), response)[direct : direct + 500]
    expected *= math.sqrt(power(speech) / np.mean(expected**2))
    np.testing.assert_allclose(heard, expected, atol=1e-5)
    assert power(heard) == pytest.approx(power(speech), rel=1e-4)
    alone = np.zeros(64, np.float32)
    alone[direct] = -0.5
    np.testing.assert_allclose(in_room(speech, alone), -speech, atol=1e-6)


def test_a_made_response_dies_away_in_its_time() -> None:
    response = made_response(0.5, RATE, generator())
    assert len(response) == 8000
    assert np.argmax(np.abs(response)) == 0
    early, late = power(response[100:1100]), power(response[6900:7900])
    assert 10 * math.log10(early / late) == pytest.approx(60 * 6800 / 8000, abs=1.5)


@pytest.mark.parametrize("law", ["mu_law", "a_law"])
def test_codec_is_that_of_the_recommendation(law: str) -> None:
    samples = np.concatenate([sounds(300, scale=0.3), sounds(300, scale=0.01), np.linspace(-1.2, 1.2, 301)])
    samples = samples.astype(np.float32)
    heard = through_codec(samples, 8000, law)
    whole = np.clip(samples, -1, 1)
    levels, nearest = levels_of(law), round_trip(whole, law)
    assert set(heard.tolist()) <= set(levels.tolist())
    # libsndfile cuts samples to 14 and 12 bits before it finds their step: that may be the one beside
    place = np.searchsorted(levels, nearest)
    beside = [levels[np.clip(place + step, 0, len(levels) - 1)] for step in (-1, 1)]
    assert ((heard == nearest) | (heard == beside[0]) | (heard == beside[1])).all()
    assert np.mean(heard == nearest) > 0.8
    assert np.mean(np.square(heard - whole)) < 1.3 * np.mean(np.square(nearest - whole))


@pytest.mark.parametrize(("rate", "length"), [(16000, 1), (16000, 3999), (16000, 4000), (8000, 401), (44100, 5000)])
def test_codec_keeps_the_length_and_what_a_telephone_lets_through(rate: int, length: int) -> None:
    assert through_codec(sounds(length), rate, "mu_law").shape == (length,)
    if length > 3000:
        time = np.arange(length) / rate
        low = (0.3 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
        assert power(through_codec(low, rate, "a_law") - low) < 0.01 * power(low)
    if rate >= 16000 and length > 3000:
        high = (0.3 * np.sin(2 * np.pi * 6000 * time)).astype(np.float32)
        assert power(through_codec(high, rate, "a_law")) < 0.01 * power(high)


def test_nothing_depends_on_the_threads() -> None:
    before = torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(in_room(coloured(5000, 1.0, RATE, generator()), made_response(0.2, RATE, generator(1))))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*made)

"""Streaming recognition: the search, the encoder and the whole against the same audio at once."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jointst.common.errors import ConfigError, DataError
from jointst.config import DecoderConfig
from jointst.decoding.greedy import greedy_search
from jointst.decoding.phrase_tree import Phrase, PhraseTree
from jointst.decoding.segmentation import SegmentationConfig
from jointst.decoding.streaming import OnlineEncoder, OnlineGreedy, StreamingRecogniser
from jointst.decoding.transcript import Transcript
from jointst.kaldi.log_mel import log_mel
from jointst.nn.decoder import TransducerDecoder
from jointst.transcription.recogniser import Recogniser

RATE = 16000


def speechlike(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise of a changing colour and loudness, so that a model hears something new all the time."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal(round(seconds * RATE))
    time = np.arange(len(noise)) / RATE
    tones = sum(np.sin(2 * np.pi * f * time * (1 + 0.1 * np.sin(3 * time))) for f in (150, 440, 1900))
    loudness = 0.02 + 0.1 * (1 + np.sin(2 * np.pi * 3.1 * time)) * (1 + np.sin(2 * np.pi * 0.7 * time + 1))
    samples: np.ndarray = (loudness * (0.2 * noise + 0.3 * tones)).astype(np.float32)
    return samples


def recognise(stream: StreamingRecogniser, samples: np.ndarray, most: int = 4000) -> list[Transcript]:
    """Everything a stream says about samples that come in random pieces."""
    generator, position, found = np.random.default_rng(most), 0, []
    while position < len(samples):
        size = int(generator.integers(0, most))
        found += stream.accept(samples[position : position + size])
        position += size
    return found + stream.finish()


TREE = PhraseTree(
    [Phrase(labels=(2, 3, 1), weight=4.0), Phrase(labels=(4, 4), weight=3.0), Phrase(labels=(1, 5), weight=1.0)],
    vocabulary=6,
    device=torch.device("cpu"),
)


@pytest.mark.parametrize("kind", ["hat", "rnnt"])
@pytest.mark.parametrize("predictor", ["embedding", "lstm"])
@pytest.mark.parametrize("phrases", [None, TREE], ids=["plain", "phrases"])
@torch.inference_mode()
def test_search_in_pieces_equals_search_of_the_whole(kind: str, predictor: str, phrases: PhraseTree | None) -> None:
    torch.manual_seed(3)
    config = DecoderConfig(kind=kind, predictor=predictor, embedding_dim=8, joint_dim=8)  # type: ignore[arg-type]
    decoder = TransducerDecoder(6, 5, config).eval()
    decoder.joiner.output.weight.mul_(6)
    decoder.joiner.output.bias[0] = 0.3 if kind == "hat" else 1.0
    encoded = 2 * torch.randn(1, 40, 5)
    whole = greedy_search(decoder, encoded, torch.tensor([40]), 2, phrases)[0]
    assert len(whole.labels) > 15
    assert any(a == b for a, b in zip(whole.positions, whole.positions[1:])), "some positions emit several"
    for sizes in ([40], [1] * 40, [3, 0, 10, 1, 26]):
        search, position = OnlineGreedy(decoder, 2, phrases), 0
        for size in sizes:
            before = len(search.hypothesis.labels)
            emitted = search.accept(encoded[:, position : position + size])
            assert emitted == (len(search.hypothesis.labels) > before)
            position += size
        assert search.hypothesis.labels == whole.labels
        assert search.hypothesis.positions == whole.positions
        assert search.hypothesis.log_probs == pytest.approx(whole.log_probs, abs=1e-5)


@torch.inference_mode()
def test_encoder_takes_any_pieces(packed: Path) -> None:
    trained = Recogniser.load(packed).trained
    features = log_mel(torch.from_numpy(speechlike(3.33)), trained.config.features)
    offline = trained.model.forward_chunk(features[None], trained.model.initial_state(1, trained.device))[0]
    for size in (1, 7, 32, 200):
        encoder = OnlineEncoder(trained.model, trained.device)
        parts = [encoder.accept(features[start : start + size]) for start in range(0, len(features), size)]
        online = torch.cat([*parts, encoder.finish()], dim=1)
        torch.testing.assert_close(online, offline, rtol=0, atol=1e-4)


@pytest.mark.parametrize("decoder", ["streaming", "full_context"])
@pytest.mark.parametrize(("rate", "chunk"), [(16000, 8), (16000, 1), (44100, 4)])
def test_segments_say_what_they_say_alone(packed: Path, decoder: str, rate: int, chunk: int) -> None:
    segmentation = SegmentationConfig(max_segment=3.0)
    recogniser = Recogniser.load(packed, decoder=decoder, chunk=chunk, segmentation=segmentation)  # type: ignore[arg-type]
    silence = np.zeros(RATE, np.float32)
    samples = np.concatenate([silence, speechlike(2.0), silence, speechlike(4.5, seed=1)])
    grid = np.arange(0, len(samples), RATE / rate)
    given = samples if rate == RATE else np.interp(grid, np.arange(len(samples)), samples)
    said = recognise(recogniser.stream(rate), given.astype(np.float32))
    finals = [transcript for transcript in said if transcript.final]
    assert len(finals) == 3
    assert sum(len(transcript.words) for transcript in finals) > 5
    if rate != RATE:
        return
    for final in finals:
        part = samples[round(final.start * RATE) : round(final.end * RATE)]
        alone = recogniser.transcribe(part).segments[0]
        assert alone.text == final.text
        shifted = [(word.text, round(word.start + final.start, 2)) for word in alone.words]
        assert shifted == [(word.text, round(word.start, 2)) for word in final.words]
    partials = [transcript for transcript in said if not transcript.final]
    assert len(partials) > 3
    if decoder == "streaming":
        for transcript, following in zip(said, said[1:]):
            assert transcript.final or following.text.startswith(transcript.text), "a first pass only adds"


@pytest.mark.parametrize("decoder", ["streaming", "full_context"])
@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_a_stream_listens_for_phrases_as_files_do(packed: Path, decoder: str, search: str) -> None:
    phrases = ["открой", ("门今天", 30.0), "天气"]
    options: dict[str, Any] = {"decoder": decoder, "search": search, "beam": 2}
    recogniser = Recogniser.load(packed, phrases=phrases, phrase_weight=2.0, **options)
    samples = speechlike(1.5)
    final = [transcript for transcript in recognise(recogniser.stream(), samples) if transcript.final]
    whole = recogniser.transcribe(samples).segments
    assert [segment.text for segment in whole] == [transcript.text for transcript in final]
    assert final[0].text
    plain = Recogniser.load(packed, phrase_weight=2.0, **options)
    alone = plain.transcribe(samples)
    assert alone.text != recogniser.transcribe(samples).text
    assert recogniser.transcribe(samples, phrases=[]).text == alone.text
    for called in (
        plain.transcribe(samples, phrases=phrases).segments,
        recognise(plain.stream(phrases=phrases), samples),
    ):
        assert [part.text for part in called if part.final] == [transcript.text for transcript in final]
    assert [part.text for part in recognise(recogniser.stream(phrases=[]), samples) if part.final] == [alone.text]


def test_state_does_not_grow_with_the_stream(packed: Path) -> None:
    stream = Recogniser.load(packed, segmentation=SegmentationConfig(max_segment=2.0)).stream()
    sizes = []
    for second in range(24):
        stream.accept(speechlike(1.0, seed=second))
        if second % 2 == 0:
            sizes.append(held(stream))
    assert max(sizes[4:]) <= 1.1 * max(sizes[:4]), sizes


def held(stream: StreamingRecogniser) -> int:
    """Numbers in all arrays, lists and tensors that a stream holds, its model aside."""
    total, seen, open_objects = 0, {id(stream._trained)}, [stream.__dict__]
    while open_objects:
        thing = open_objects.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            total += thing.untyped_storage().nbytes() // 4
        elif isinstance(thing, np.ndarray):
            total += (thing if thing.base is None else np.asarray(thing.base)).size
        elif isinstance(thing, torch.nn.Module):
            continue
        else:
            total += len(thing) if isinstance(thing, list) else 0
            open_objects += [part for part in gc.get_referents(thing) if not callable(part)]
    return total


def test_silence_says_nothing(packed: Path) -> None:
    stream = Recogniser.load(packed).stream(8000)
    assert recognise(stream, np.zeros(80_000, np.float32)) == []
    assert Recogniser.load(packed).stream().finish() == []


def test_samples_of_other_types(packed: Path) -> None:
    samples = speechlike(2.0)
    stream = Recogniser.load(packed).stream
    assert recognise(stream(8000), samples.astype(np.float64)) == recognise(stream(8000), samples)
    for wrong in ((samples * 32767).astype(np.int16), np.stack([samples, samples], axis=1)):
        with pytest.raises(DataError, match=r"an array \(T,\) of float32 in \[-1, 1\]"):
            stream().accept(wrong)


@pytest.mark.parametrize("rate", [0, 1, 999, 1e6, float("nan")])
def test_rates_of_no_speech_are_refused(packed: Path, rate: float) -> None:
    with pytest.raises(ConfigError, match=r"rate: is .*1000 to 768000 hertz"):
        Recogniser.load(packed).stream(rate)


def test_samples_that_are_not_finite_are_named(packed: Path) -> None:
    stream = Recogniser.load(packed).stream()
    stream.accept(speechlike(1.0))
    spoiled = speechlike(1.0)
    spoiled[8000] = np.nan
    with pytest.raises(DataError, match=r"sample at 1\.500 s is not a finite number"):
        stream.accept(spoiled)
    assert stream.finish()[-1].end == 1.0, "what came before is kept"

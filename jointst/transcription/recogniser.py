"""The recogniser as a Python object: ``Recogniser.load("exp/train/packed").transcribe("a.wav").text``.

T samples, n frames.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jointst.common.errors import ConfigError, DataError
from jointst.common.units import Hertz, Seconds, frames_to_seconds, seconds_of
from jointst.config import Decoder
from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.phrases import Written
from jointst.decoding.search import Search, greedy, packed_search
from jointst.decoding.segmentation import SegmentationConfig, Segmenter, is_silent
from jointst.decoding.streaming import StreamingRecogniser, check_rate, check_streams
from jointst.decoding.transcript import Transcript, transcript_of
from jointst.kaldi.audio import Samples, resample
from jointst.kaldi.sound.level import checked_samples
from jointst.models.build import Trained
from jointst.models.packed import load_packed
from jointst.transcription.result import Failure, Transcription
from jointst.transcription.sound_files import read_blocks

POOL = 4
"""Batches of segments that are sorted by length together, so that little of a batch is padding."""


@dataclass(kw_only=True)
class _Recording:
    """A recording whose segments are on their way."""

    name: str
    samples: int = 0
    error: DataError | None = None


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """A segment of a recording.

    Attributes:
        recording, segment: places of both, counted from 0.
        samples: (T,).
        start: of the segment in the recording.
    """

    recording: int
    segment: int
    samples: Samples
    start: Seconds


class Recogniser:
    """A trained model that turns audio into text.

    Args:
        trained: the model.
        decoder: ``full_context`` is the better one, ``streaming`` the faster.
        batch: segments recognised together.
        segmentation: where long audio is cut; a recording that is not longer than ``max_segment`` stays whole.
        search: None for greedy search.
    """

    def __init__(
        self,
        trained: Trained,
        *,
        decoder: Decoder = "full_context",
        batch: int = 8,
        segmentation: SegmentationConfig | None = None,
        search: Search | None = None,
    ) -> None:
        if batch < 1:
            raise ConfigError("batch", f"is {batch}", "at least 1")
        if decoder not in ("streaming", "full_context"):
            raise ConfigError("decoder", f"is {decoder!r}", "streaming or full_context")
        if decoder == "streaming":
            check_streams(trained)
        self.trained = trained
        self.decoder: Decoder = decoder
        self.batch = batch
        self.segmentation = segmentation or SegmentationConfig()
        self.search = search or greedy(trained)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        decoder: Decoder = "full_context",
        batch: int = 8,
        chunk: int | None = None,
        segmentation: SegmentationConfig | None = None,
        ngpu: int = 0,
        lm: str | Path | None = None,
        phrases: str | Path | Iterable[Written] | None = None,
        **decoding: Any,
    ) -> Recogniser:
        """The recogniser that stage 10 packed into a folder.

        Args:
            folder: ``exp/<name>/packed``.
            decoder, batch, segmentation: see :class:`Recogniser`.
            chunk: positions of a chunk of the streaming encoder, for a model trained with
                ``training.dynamic_chunks``; None for the chunk of its settings.
            ngpu: 1 for the GPU.
            lm: language model of a beam search: the folder of ``jointst lm``, or an ARPA or kenlm file.
            phrases: that matter: a file, one a line, or texts, each with a weight of its own or without.
            decoding: settings of the search as in :class:`jointst.config.DecodingConfig`: ``search="beam"``, ``beam``,
                ``lm_weight``, ``ilm_weight``, ``label_bonus``, ``phrase_weight``, ``phrase_language`` ...

        Raises:
            DataError: the folder or the language model is missing or damaged, or a phrase cannot be listened for.
            ConfigError: a value that cannot work.
        """
        trained = load_packed(Path(folder), ngpu)
        if chunk is not None:
            check_streams(trained)
            settings, longest = trained.config, (segmentation or SegmentationConfig()).max_segment
            most = int(longest / frames_to_seconds(settings.model.rows_per_position, settings.row))
            if not 1 <= chunk <= most:
                raise ConfigError("chunk", f"is {chunk}", f"1 to {most}, the longest segment")
            trained.model.use_chunk(chunk)
        search = packed_search(trained, Path(folder), lm, phrases, decoding)
        return cls(trained, decoder=decoder, batch=batch, segmentation=segmentation, search=search)

    @property
    def sampling_rate(self) -> Hertz:
        """The rate the model hears at."""
        return self.trained.config.features.sampling_rate

    def transcribe(
        self, audio: str | Path | Samples, rate: Hertz | None = None, *, phrases: Iterable[Written] | None = None
    ) -> Transcription:
        """What is said in a recording.

        Args:
            audio: a sound file of any container and rate, or samples (T,), float32 in [-1, 1].
            rate: of the samples; None for the model's own.
            phrases: that matter here, in place of the recogniser's; None for those.

        Raises:
            DataError: the file cannot be read, a phrase cannot be listened for, or samples are not as they must be.
        """
        if isinstance(audio, (str, os.PathLike)):
            result = next(self.transcribe_files([audio], phrases=phrases))
        else:
            heard = self.sampling_rate if rate is None else rate
            check_rate(heard)
            samples = checked_samples(audio, heard)
            if len(samples):
                samples = resample(samples, heard, self.sampling_rate)
            result = next(self._transcribe([("samples", iter([samples]))], self._searching(phrases)))
        if isinstance(result, Failure):
            raise result.error
        return result

    def transcribe_files(
        self, paths: Iterable[str | Path], *, phrases: Iterable[Written] | None = None
    ) -> Iterator[Transcription | Failure]:
        """What is said in each of many sound files, in their order; a file that cannot be read fails alone.

        Raises:
            DataError: ``paths`` is one path, or a phrase cannot be listened for.
        """
        if isinstance(paths, (str, os.PathLike)):
            raise DataError("is one path, not many", path=paths, fix="transcribe(path), or [path]")
        sources = ((str(path), read_blocks(Path(path), self.sampling_rate)) for path in paths)
        return self._transcribe(sources, self._searching(phrases))

    def stream(self, rate: Hertz | None = None, *, phrases: Iterable[Written] | None = None) -> StreamingRecogniser:
        """A recogniser of one live stream of samples at ``rate``, the model's own if None."""
        return StreamingRecogniser(
            self.trained,
            self.sampling_rate if rate is None else rate,
            decoder=self.decoder,
            segmentation=self.segmentation,
            search=self._searching(phrases),
        )

    def _searching(self, phrases: Iterable[Written] | None) -> Search:
        return self.search if phrases is None else self.search.listening_for(phrases, self.trained)

    def _transcribe(
        self, sources: Iterable[tuple[str, Iterator[Samples]]], search: Search
    ) -> Iterator[Transcription | Failure]:
        """Cut, pool, recognise in batches, and put together again."""
        recordings: list[_Recording] = []
        found: dict[int, dict[int, Transcript]] = {}
        pool: list[_Cut] = []
        given = 0
        for number, (name, blocks) in enumerate(sources):
            recording = _Recording(name=name)
            recordings.append(recording)
            found[number] = {}
            try:
                for segment, (samples, start) in enumerate(self.cuts(_counted(blocks, recording))):
                    pool.append(_Cut(recording=number, segment=segment, samples=samples, start=start))
                    if len(pool) >= POOL * self.batch:
                        self._recognise(pool, found, search)
            except DataError as error:
                recording.error = error
                pool = [cut for cut in pool if cut.recording != number]
            waiting = {cut.recording for cut in pool}
            while given <= number and given not in waiting:
                yield self._result(recordings[given], found.pop(given))
                given += 1
        self._recognise(pool, found, search)
        for number in range(given, len(recordings)):
            yield self._result(recordings[number], found.pop(number))

    def _result(self, recording: _Recording, found: dict[int, Transcript]) -> Transcription | Failure:
        if recording.error is not None:
            return Failure(name=recording.name, error=recording.error)
        segments = tuple(found[segment] for segment in sorted(found))
        seconds = round(seconds_of(recording.samples, self.sampling_rate), 3)
        return Transcription(name=recording.name, seconds=seconds, segments=segments)

    def cuts(self, blocks: Iterable[Samples]) -> Iterator[tuple[Samples, Seconds]]:
        """Segments of a recording: samples (T,) and their start. A short recording is one, a silent one has none.

        Args:
            blocks: its samples, (T,) each, at the model's rate.
        """
        head: list[Samples] = []
        segmenter: Segmenter | None = None
        open_pieces: list[Samples] = []
        start, samples = 0.0, 0
        for block in blocks:
            samples += len(block)
            head.append(block)
            if segmenter is None:
                if seconds_of(samples, self.sampling_rate) <= self.segmentation.max_segment:
                    continue
                segmenter = Segmenter(self.sampling_rate, self.segmentation)
            pieces = segmenter.accept(np.concatenate(head))
            head = []
            for piece in pieces:
                open_pieces, start = ([], piece.start) if piece.first else (open_pieces, start)
                open_pieces.append(piece.samples)
                if piece.last:
                    yield np.concatenate(open_pieces), start
        if segmenter is not None:
            for piece in segmenter.finish():
                yield np.concatenate([*open_pieces, piece.samples]), start
        elif head and not is_silent(whole := np.concatenate(head), self.sampling_rate):
            yield whole, 0.0

    def _recognise(self, pool: list[_Cut], found: dict[int, dict[int, Transcript]], search: Search) -> None:
        """Recognise the pool and empty it."""
        pool.sort(key=lambda cut: -len(cut.samples))
        for first in range(0, len(pool), self.batch):
            cuts = pool[first : first + self.batch]
            transcripts = self.recognise([(cut.samples, cut.start) for cut in cuts], search)
            for cut, transcript in zip(cuts, transcripts, strict=True):
                found[cut.recording][cut.segment] = transcript
        pool.clear()

    @torch.inference_mode()
    def recognise(
        self,
        cuts: Sequence[tuple[Samples, Seconds]],
        search: Search,
        decoder: Decoder | None = None,
        languages: Sequence[str] = (),
    ) -> list[Transcript]:
        """The transcripts of segments, of one recording or of many, as one batch.

        Args:
            cuts: B of :meth:`cuts`.
            search: of all of them.
            decoder: the recogniser's own if None.
            languages: B codes, empty where one is unknown; for a model with a language embedding.
        """
        config, decoder = self.trained.config, decoder or self.decoder
        step = frames_to_seconds(config.model.rows_per_position, config.row)
        features = self._features([torch.from_numpy(samples) for samples, _ in cuts])
        hypotheses = self._search(features, search, decoder, languages or [""] * len(cuts))
        return [
            transcript_of(
                hypothesis,
                self.trained.symbols.tokenizer,
                step,
                start=start,
                end=start + seconds_of(len(samples), self.sampling_rate),
            )
            for hypothesis, (samples, start) in zip(hypotheses, cuts, strict=True)
        ]

    def _features(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """What the model reads of waveforms (T,), (n, F) each."""
        return self.trained.front_end(waveforms)

    def _search(
        self, features: list[Tensor], search: Search, side: Decoder, languages: Sequence[str]
    ) -> list[Hypothesis]:
        """Hypotheses of segments, each (n, F); one that is shorter than a window has an empty one."""
        heard = [index for index, frames in enumerate(features) if len(frames)]
        hypotheses = [Hypothesis() for _ in features]
        if not heard:
            return hypotheses
        model, device = self.trained.model, self.trained.device
        padded = nn.utils.rnn.pad_sequence([features[index] for index in heard], batch_first=True).to(device)
        lengths = torch.tensor([len(features[index]) for index in heard], device=device)
        encoded, lengths = self._encode(padded, lengths, side, [languages[index] for index in heard])
        searched = search(side, model.decoder(side), encoded, lengths)
        for index, nbest in zip(heard, searched, strict=True):
            hypotheses[index] = nbest[0]
        return hypotheses

    def _encode(
        self, features: Tensor, lengths: Tensor, side: Decoder, languages: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """What a decoder searches: features (B, n, F) and lengths (B,) to (B, N, D) and lengths (B,)."""
        model = self.trained.model
        front, lengths = model.encode_audio(features, lengths)
        encoded: Tensor = model.streaming_encoder(model.add_language(front, languages), lengths)[0][-1]
        if side == "full_context":
            encoded = model.encode_full_context(encoded, lengths)[-1]
        return encoded, lengths


def _counted(blocks: Iterator[Samples], recording: _Recording) -> Iterator[Samples]:
    """The same blocks, their samples counted."""
    for block in blocks:
        recording.samples += len(block)
        yield block

"""Recognition while audio arrives: partial results of the first pass, the second pass's text where a segment ends.

State, and compute for each second of audio, are bounded by the chunk and by the longest segment, never by the stream.

T samples, n frames, N positions, F mel bins, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.common.errors import ConfigError
from jointst.common.units import Hertz, Seconds, frames_to_seconds, samples_in, seconds_of
from jointst.config import Decoder
from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.phrase_tree import PhraseTree
from jointst.decoding.search import Search, greedy
from jointst.decoding.segmentation import Piece, SegmentationConfig, Segmenter
from jointst.decoding.transcript import Transcript, transcript_of
from jointst.kaldi.audio import Samples
from jointst.kaldi.online import OnlineResampler
from jointst.kaldi.sound.level import checked_samples
from jointst.kaldi.sound.reader import HIGHEST_RATE, LOWEST_RATE
from jointst.models.build import Trained
from jointst.models.joint import JointModel
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.predictor import BLANK


def check_rate(rate: Hertz) -> None:
    """Refuse a rate at which nobody records speech.

    Raises:
        ConfigError: it is no number, or out of range.
    """
    if not isinstance(rate, (int, float)) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ConfigError("rate", f"is {rate}", f"{LOWEST_RATE:g} to {HIGHEST_RATE:g} hertz")


def check_streams(trained: Trained) -> None:
    """Refuse to stream, or to decode the streaming pass, with a model that has none.

    Raises:
        ConfigError: its audio encoder must hear the whole utterance.
    """
    if not trained.config.model.streams:
        problem = f"this model cannot stream: its {trained.config.model.audio_encoder.kind} encoder hears whole"
        fix = "transcribe files, or recordings that have ended, with the full_context decoder"
        raise ConfigError("streaming", f"{problem} utterances, so it has no streaming decoder", fix)


class OnlineGreedy:
    """Greedy search over one stream of positions: the labels that :func:`greedy_search` finds on the whole.

    Args:
        decoder: predictor and joiner.
        max_labels_per_position: a position that has emitted so many is left.
        phrases: whose labels are raised.
    """

    def __init__(
        self, decoder: TransducerDecoder, max_labels_per_position: int, phrases: PhraseTree | None = None
    ) -> None:
        self._decoder = decoder
        self._limit = max_labels_per_position
        self._phrases = phrases
        self._phrase = torch.zeros(1, 0) if phrases is None else phrases.initial_state(1)
        self._state = decoder.predictor.initial_state(1, decoder.joiner.output.weight.device)
        self._predicted = decoder.joiner.project_predictor(decoder.predictor.output(self._state))
        self._positions = 0
        self.hypothesis = Hypothesis()

    def accept(self, encoded: Tensor) -> bool:
        """Search the next positions (1, N, D); whether they emitted anything."""
        projected = self._decoder.joiner.project_encoder(encoded[0])
        position, emitted_here, before = 0, 0, len(self.hypothesis.labels)
        while position < len(projected):
            # Blanks leave the state as it is: one look at all positions finds the next one that emits.
            log_blank, log_labels = self._decoder.joiner.log_probs(projected[position:], self._predicted)
            raised = log_labels
            if self._phrases is not None:
                raised = log_labels + self._phrases.gains(self._phrase)
            score, label = raised.max(-1)
            emitting = (score > log_blank).nonzero()
            if not len(emitting):
                break
            ahead = int(emitting[0])
            emitted_here = emitted_here + 1 if ahead == 0 else 1
            position += ahead
            log_prob = float(log_labels[ahead, label[ahead]])
            self._emit(label[ahead : ahead + 1] + BLANK + 1, log_prob, position)
            if emitted_here >= self._limit:
                position, emitted_here = position + 1, 0
        self._positions += len(projected)
        return len(self.hypothesis.labels) > before

    def _emit(self, label: Tensor, log_prob: float, position: int) -> None:
        self.hypothesis.labels.append(int(label))
        self.hypothesis.positions.append(self._positions + position)
        self.hypothesis.log_probs.append(log_prob)
        predictor, emitted = self._decoder.predictor, torch.ones_like(label, dtype=torch.bool)
        self._state = predictor.step(self._state, label, emitted)
        if self._phrases is not None:
            self._phrase = self._phrases.step(self._phrase, label, emitted)
        self._predicted = self._decoder.joiner.project_predictor(predictor.output(self._state))


class OnlineEncoder:
    """The streaming encoder over frames that come in any pieces, run whenever a chunk is whole.

    Args:
        model: the joint model.
        device: where it is.
        language: of the stream, empty where it is unknown; for a model with a language embedding.
    """

    def __init__(self, model: JointModel, device: torch.device, language: str = "") -> None:
        self._model = model
        self._languages = [language]
        self._state = model.initial_state(1, device)
        self._frames = model.chunk * model.config.rows_per_position
        self._buffer = torch.zeros(1, 0, len(model.normalisation.mean), device=device)
        self._nothing = torch.zeros(1, 0, model.config.dim, device=device)

    def accept(self, features: Tensor) -> Tensor:
        """Take the next frames (n, F); the output (1, N, D) for the chunks that are whole by now."""
        self._buffer = torch.cat([self._buffer, features[None].to(self._buffer)], dim=1)
        whole = self._buffer.shape[1] // self._frames * self._frames
        outputs = []
        for start in range(0, whole, self._frames):
            outputs.append(self._encode(self._buffer[:, start : start + self._frames]))
        self._buffer = self._buffer[:, whole:].clone()  # a view would keep all of it
        return torch.cat(outputs, dim=1) if outputs else self._nothing

    def finish(self) -> Tensor:
        """The output (1, N, D) for the frames that are left; the stream is over."""
        return self._encode(self._buffer) if self._buffer.shape[1] else self._nothing

    def second_pass(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """The full-context encoder's output (1, N, D') over all that this one has given, (1, N, D), and its length."""
        lengths = torch.tensor([encoded.shape[1]], device=encoded.device)
        return self._model.encode_full_context(encoded, lengths)[-1], lengths

    def _encode(self, features: Tensor) -> Tensor:
        output, self._state = self._model.forward_chunk(features, self._state, self._languages)
        return output


class _Segment:
    """One segment in the making: its first pass so far, and what its second pass needs."""

    def __init__(self, trained: Trained, encoder: OnlineEncoder, search: Search, start: Seconds) -> None:
        model = trained.model
        self._trained = trained
        self._whole_search = search
        self._features = trained.front_end.online()
        self._encoder = encoder
        limit = search.settings.max_labels_per_position
        self._search = OnlineGreedy(model.decoder("streaming"), limit, search.phrases)
        self._encoded: list[Tensor] = []
        self._start = start
        self._samples = 0

    def accept(self, samples: Samples) -> bool:
        """Take the next samples; whether the first pass found more."""
        self._samples += len(samples)
        return self._advance(self._encoder.accept(self._features.accept(samples)))

    def _advance(self, encoded: Tensor) -> bool:
        if not encoded.shape[1]:
            return False
        self._encoded.append(encoded)
        return self._search.accept(encoded)

    def partial(self) -> Transcript:
        """The first pass so far."""
        return self._transcript(self._search.hypothesis, final=False)

    def finish(self, decoder: Decoder) -> Transcript:
        """The text of the whole segment by either decoder; a beam search begins when the segment is whole."""
        self._advance(self._encoder.accept(self._features.finish()))
        self._advance(self._encoder.finish())
        search, streams = self._whole_search, decoder == "streaming"
        if not self._encoded or (streams and search.settings.search == "greedy"):
            return self._transcript(self._search.hypothesis, final=True)
        model = self._trained.model
        states = torch.cat(self._encoded, dim=1)
        lengths = torch.tensor([states.shape[1]], device=states.device)
        if not streams:
            states, lengths = self._encoder.second_pass(states)
        return self._transcript(search(decoder, model.decoder(decoder), states, lengths)[0][0], final=True)

    def _transcript(self, hypothesis: Hypothesis, *, final: bool) -> Transcript:
        config = self._trained.config
        return transcript_of(
            hypothesis,
            self._trained.symbols.tokenizer,
            frames_to_seconds(config.model.rows_per_position, config.row),
            start=self._start,
            end=self._start + seconds_of(self._samples, config.features.sampling_rate),
            final=final,
        )


class StreamingRecogniser:
    """Recognises one stream of audio.

    Args:
        trained: the model.
        rate: of the audio that comes in.
        decoder: whose text is final: the second pass's, or the first pass's own.
        segmentation: where segments end.
        search: of the final text; None for greedy search. Partial text is always that of greedy search.
        language: of what is said, empty where it is unknown; for a model with a language embedding.

    Raises:
        ConfigError: a rate at which nobody records speech, or a model that cannot stream.
    """

    def __init__(
        self,
        trained: Trained,
        rate: Hertz,
        *,
        decoder: Decoder = "full_context",
        segmentation: SegmentationConfig | None = None,
        search: Search | None = None,
        language: str = "",
    ) -> None:
        check_rate(rate)
        check_streams(trained)
        wanted = trained.config.features.sampling_rate
        self._trained = trained
        self._rate = rate
        self._decoder: Decoder = decoder
        self._search = search or greedy(trained)
        self._language = language
        self._resampler = OnlineResampler(rate, wanted)
        self._segmenter = Segmenter(wanted, segmentation or SegmentationConfig())
        chunk = frames_to_seconds(trained.model.chunk * trained.config.model.rows_per_position, trained.config.row)
        self._step = samples_in(chunk, rate)
        self._segment: _Segment | None = None
        self._received = 0

    @torch.inference_mode()
    def accept(self, samples: Samples) -> list[Transcript]:
        """Take the next samples (T,), float32 in [-1, 1], any number of them.

        Returns:
            What is new, in the order of time: partial transcripts of the segment that is open, each replacing the one
            before, and the final transcript of each segment that has ended.

        Raises:
            DataError: samples are no array (T,) of floats, not finite numbers, or not in full scales; nothing of this
                piece is taken.
        """
        samples = checked_samples(samples, self._rate, self._received)
        self._received += len(samples)
        found: list[Transcript] = []
        for start in range(0, len(samples), self._step):  # large pieces give the results that small ones would
            resampled = self._resampler.accept(samples[start : start + self._step])
            found += self._advance(self._segmenter.accept(resampled))
        return found

    @torch.inference_mode()
    def finish(self) -> list[Transcript]:
        """What is left when the stream is over: the final transcript of the open segment, if there is one."""
        pieces = self._segmenter.accept(self._resampler.finish())
        return self._advance(pieces) + self._advance(self._segmenter.finish())

    def _new_encoder(self) -> OnlineEncoder:
        return OnlineEncoder(self._trained.model, self._trained.device, self._language)

    def _advance(self, pieces: list[Piece]) -> list[Transcript]:
        found: list[Transcript] = []
        for piece in pieces:
            if piece.first:
                self._segment = _Segment(self._trained, self._new_encoder(), self._search, piece.start)
            segment = self._segment
            assert segment is not None, "a piece before the first of its segment"
            if segment.accept(piece.samples):
                found.append(segment.partial())
            if piece.last:
                found.append(segment.finish(self._decoder))
                self._segment = None
        return found

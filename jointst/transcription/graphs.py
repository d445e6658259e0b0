"""``Recogniser`` over the exported graphs, run by onnxruntime: the same searches, and no model in torch.

B utterances, T positions, J joint features, V labels with the blank, R times that a position is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from jointst.common.errors import ConfigError, DataError
from jointst.common.units import Hertz
from jointst.config import Decoder
from jointst.decoding.search import packed_search
from jointst.decoding.segmentation import SegmentationConfig
from jointst.decoding.streaming import OnlineEncoder, StreamingRecogniser
from jointst.export.onnx.files import FIX, FOLDER, FULL_CONTEXT, STREAMING, Graphs, Precision, check_tokens
from jointst.kaldi.log_mel import log_mel
from jointst.models.build import Trained
from jointst.models.joint import JointModel
from jointst.models.packed import read_packed
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.predictor import BLANK
from jointst.transcription.recogniser import Recogniser


class GraphPredictor:
    """The predictor of a graph, as :class:`jointst.nn.predictor.EmbeddingPredictor`; its outputs are projected."""

    def __init__(self, graphs: Graphs) -> None:
        self._run = graphs.decoder
        self._input = graphs.decoder.get_inputs()[0].name
        self._context = graphs.numbers["context_size"]

    def initial_state(self, batch: int, device: torch.device) -> Tensor:
        """The state before the first label."""
        return torch.full((batch, self._context), BLANK, dtype=torch.int64)

    def output(self, state: Tensor) -> Tensor:
        """The output (B, J) of a state."""
        return torch.from_numpy(self._run.run(None, {self._input: state.numpy()})[0])

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """The state after ``labels`` (B,), in the rows where ``emitted`` (B,) is true."""
        return torch.where(emitted[:, None], torch.cat([state[:, 1:], labels[:, None]], dim=1), state)


class GraphJoiner:
    """The joiner of a graph, as :class:`jointst.nn.joiner.Joiner`; both sides come projected."""

    def __init__(self, graphs: Graphs) -> None:
        self._run = graphs.joiner
        self._inputs = [side.name for side in graphs.joiner.get_inputs()]
        # What holds the search's place for the device of its weights.
        self.output = SimpleNamespace(weight=torch.zeros(0))

    def project_encoder(self, encoded: Tensor) -> Tensor:
        """Nothing more to do."""
        return encoded

    def project_predictor(self, predicted: Tensor) -> Tensor:
        """Nothing more to do."""
        return predicted

    def _all(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """log P of the blank and of all labels, (..., V)."""
        shape = (encoder + predictor).shape
        sides = (side.expand(shape).reshape(-1, shape[-1]).numpy() for side in (encoder, predictor))
        logits = torch.from_numpy(self._run.run(None, dict(zip(self._inputs, sides, strict=True)))[0])
        return logits.log_softmax(-1).view(*shape[:-1], -1)

    def log_probs(self, encoder: Tensor, predictor: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`jointst.nn.joiner.Joiner.log_probs`."""
        found = self._all(encoder, predictor)
        return found[..., BLANK], found[..., BLANK + 1 :]

    def may_emit(self, encoder: Tensor, predictor: Tensor, raised: Tensor | None = None) -> Tensor:
        """See :meth:`jointst.nn.joiner.Joiner.may_emit`."""
        blank, labels = self.log_probs(encoder, predictor)
        best = labels.amax(-1)
        return (best if raised is None else best + raised) > blank


def graph_decoder(graphs: Graphs) -> TransducerDecoder:
    """Predictor and joiner of graphs, with all that a search asks of a decoder."""
    parts = SimpleNamespace(
        predictor=GraphPredictor(graphs), joiner=GraphJoiner(graphs), vocabulary=graphs.numbers["vocab_size"]
    )
    return cast("TransducerDecoder", parts)


class GraphEncoders:
    """The encoders of all passes that a model has.

    Args:
        folder: the exported folder.
        precision: of the weights.
        kinds: of the passes.
    """

    def __init__(self, folder: Path, precision: Precision, kinds: Sequence[Decoder]) -> None:
        self.graphs: dict[Decoder, Graphs] = {kind: Graphs(folder, kind, precision) for kind in kinds}
        self.decoders = {kind: graph_decoder(graphs) for kind, graphs in self.graphs.items()}
        self._inputs = {
            kind: [side.name for side in graphs.encoder.get_inputs()] for kind, graphs in self.graphs.items()
        }

    @property
    def frames(self) -> int:
        """Frames of a chunk of the first pass."""
        return self.graphs[STREAMING].numbers["T"]

    def full_context(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The second pass over features (B, T, F), (B, T', J) and lengths."""
        graphs = self.graphs[FULL_CONTEXT]
        given = dict(zip(self._inputs[FULL_CONTEXT], self._given(FULL_CONTEXT, features, lengths), strict=True))
        encoded, counted = graphs.encoder.run(None, given)
        return self._once(encoded, graphs), torch.from_numpy(counted) // graphs.labels

    def initial_states(self, batch: int) -> list[Any]:
        """The states before the first frame."""
        shapes = [tuple(side.shape[1:]) for side in self.graphs[STREAMING].encoder.get_inputs()[1:]]
        states: list[Any] = [np.zeros((batch, *shape), np.float32) for shape in shapes[:-1]]
        return [*states, np.zeros((batch,), np.int64)]

    def streaming(self, features: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """The first pass over the next features (B, T, F) of streams, (B, T', J), and the states after them."""
        graphs = self.graphs[STREAMING]
        given = dict(zip(self._inputs[STREAMING], (*self._given(STREAMING, features), *states), strict=True))
        encoded, *after = graphs.encoder.run(None, given)
        return self._once(encoded, graphs), after

    def _given(self, kind: Decoder, features: Tensor, *others: Tensor) -> list[Any]:
        """Features as the graph expects them, which adds its shift, and what else it takes."""
        return [(features - self.graphs[kind].shift).numpy(), *(other.numpy() for other in others)]

    def _once(self, encoded: Any, graphs: Graphs) -> Tensor:
        """Each position once: our searches need it no more often."""
        return torch.from_numpy(np.ascontiguousarray(encoded[:, :: graphs.labels]))


class GraphOnlineEncoder(OnlineEncoder):
    """See :class:`jointst.decoding.streaming.OnlineEncoder`.

    Args:
        encoders: of both passes.
        bins: F.
    """

    def __init__(self, encoders: GraphEncoders, bins: int) -> None:
        self._encoders = encoders
        self._states = encoders.initial_states(1)
        self._nothing = torch.zeros(1, 0, 0)
        self._frames = encoders.frames
        self._buffer = torch.zeros(1, 0, bins)
        self._heard: list[Tensor] = []

    def _encode(self, features: Tensor) -> Tensor:
        self._heard.append(features)
        encoded, self._states = self._encoders.streaming(features, self._states)
        return encoded

    def second_pass(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`OnlineEncoder.second_pass`; the graph begins with features."""
        heard = torch.cat(self._heard, dim=1)
        return self._encoders.full_context(heard, torch.tensor([heard.shape[1]]))


class GraphStreamingRecogniser(StreamingRecogniser):
    """See :class:`jointst.decoding.streaming.StreamingRecogniser`."""

    def __init__(self, trained: Trained, encoders: GraphEncoders, rate: Hertz, **others: Any) -> None:
        super().__init__(trained, rate, **others)
        self._encoders = encoders

    def _new_encoder(self) -> OnlineEncoder:
        return GraphOnlineEncoder(self._encoders, self._trained.config.features.mel_bins)


class GraphRecogniser(Recogniser):
    """See :class:`jointst.transcription.recogniser.Recogniser`; on the CPU."""

    def __init__(self, trained: Trained, encoders: GraphEncoders, **others: Any) -> None:
        super().__init__(trained, **others)
        self._encoders = encoders

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        decoder: Decoder = FULL_CONTEXT,
        batch: int = 8,
        chunk: int | None = None,
        segmentation: SegmentationConfig | None = None,
        ngpu: int = 0,
        lm: str | Path | None = None,
        phrases: Any = None,
        precision: Precision = "float32",
        **decoding: Any,
    ) -> GraphRecogniser:
        """The recogniser of the graphs in a packed folder.

        Args:
            folder: ``exp/<name>/packed``, with its ``onnx/``.
            decoder, batch, segmentation, lm, phrases, decoding: see :meth:`Recogniser.load`.
            chunk, ngpu: of torch alone; the graphs have one chunk and are for the CPU.
            precision: of the weights.

        Raises:
            DataError: the folder is missing or damaged, or its graphs are not of its model.
            ConfigError: a value that cannot work.
            EnvironmentFault: onnxruntime is missing.
        """
        refused = {"chunk": chunk is not None, "ngpu": ngpu != 0, "ilm_weight": bool(decoding.get("ilm_weight"))}
        for key, stated in refused.items():
            if stated:
                raise ConfigError(key, "is not for graphs", "leave it out, or take the runtime torch")
        folder = Path(folder)
        config, symbols, languages = read_packed(folder)
        if not (folder / FOLDER).is_dir():
            raise DataError("there is no exported folder", path=folder / FOLDER, fix=FIX)
        encoders = GraphEncoders(folder / FOLDER, precision, config.model.decoders)
        check_tokens(folder / FOLDER, symbols.tokenizer.size)
        for graphs in encoders.graphs.values():
            if graphs.numbers["vocab_size"] != symbols.tokenizer.size:
                problem = f"has {graphs.numbers['vocab_size']} labels, the tokenizer {symbols.tokenizer.size}"
                raise DataError(problem, path=folder / FOLDER / graphs.kind, fix=FIX)
        parts = SimpleNamespace(decoder=encoders.decoders.__getitem__)
        if config.model.streams:
            parts.chunk = encoders.frames // config.model.subsampling
        model = cast("JointModel", parts)  # all of it that recognition looks at beside the encoders
        cpu = torch.device("cpu")
        trained = Trained(model=model, symbols=symbols, config=config, device=cpu, languages=languages)
        search = packed_search(trained, folder, lm, phrases, decoding)
        return cls(trained, encoders, decoder=decoder, batch=batch, segmentation=segmentation, search=search)

    def _features(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Log-mel features: a pretrained encoder is in the graph."""
        return [log_mel(waveform, self.trained.config.features) for waveform in waveforms]

    def stream(self, rate: Hertz | None = None, *, phrases: Any = None) -> StreamingRecogniser:
        """See :meth:`Recogniser.stream`."""
        return GraphStreamingRecogniser(
            self.trained,
            self._encoders,
            self.sampling_rate if rate is None else rate,
            decoder=self.decoder,
            segmentation=self.segmentation,
            search=self._searching(phrases),
        )

    def _encode(
        self, features: Tensor, lengths: Tensor, side: Decoder, languages: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        if side == FULL_CONTEXT:
            return self._encoders.full_context(features, lengths)
        # One by one: a chunk of the streaming graph knows of no padding, of which the end of an utterance would hear.
        found = []
        for row, length in zip(features, lengths.tolist(), strict=True):
            encoded, _ = self._encoders.streaming(row[None, :length], self._encoders.initial_states(1))
            found.append(encoded[0])
        return nn.utils.rnn.pad_sequence(found, batch_first=True), torch.tensor([len(part) for part in found])

"""The parts of a model as sherpa-onnx calls them: encoders, predictor and joiner of each decoder.

N streams or utterances, T frames, F mel bins, P positions, R times that each is given, J joint features, V labels with
the blank, C labels that the predictor sees.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jointst.models.joint import JointModel, StreamState
from jointst.nn.attention import AttentionState
from jointst.nn.conformer import Chunked, LayerState, StackState
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.joiner import HatJoiner
from jointst.nn.predictor import BLANK
from jointst.nn.subsampling import ConvSubsampling
from jointst.pretrained.encoder import PretrainedEncoder


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the graphs add to the model.

    Attributes:
        labels: R; greedy search in sherpa-onnx emits one label at most each time that it is given a position.
        shift: added to features that come in.
        floor: of the features that the model was trained with, to which it lifts what is then below.
    """

    labels: int
    shift: float
    floor: float

    def features(self, x: Tensor) -> Tensor:
        """Features as the model was trained with."""
        return (x + self.shift).clamp_min(self.floor)

    def repeated(self, encoded: Tensor) -> Tensor:
        """(N, P, J) to (N, R P, J), each position R times over."""
        return torch.stack([encoded] * self.labels, dim=2).flatten(1, 2)


class FullContextEncoder(nn.Module):
    """All encoders over whole utterances, and the joiner's view of them.

    Args:
        model: the model.
        form: what is added to it.
        frozen: the pretrained encoder whose states the model reads, if it reads such.
    """

    def __init__(self, model: JointModel, form: Form, frozen: PretrainedEncoder | None = None) -> None:
        super().__init__()
        self.model, self.form, self.frozen = model, form, frozen

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, T, F) and their lengths (N,) to (N, R P, J) and lengths (N,)."""
        model, read, lengths = self.model, self.form.features(x), x_lens
        if self.frozen is not None:
            read, lengths = self.frozen(read, lengths)
        front, lengths = model.encode_audio(read, lengths)
        streaming = model.streaming_encoder(model.add_language(front), lengths)[0][-1]
        encoded = model.encode_full_context(streaming, lengths)[-1]
        projected = model.full_context_decoder.joiner.project_encoder(encoded)
        return self.form.repeated(projected), lengths * self.form.labels


class StreamingEncoder(nn.Module):
    """The streaming encoders over one chunk of each of N streams, and the joiner's view of them.

    Its states are those of an E-Branchformer in sherpa-onnx, whose layers have four each: keys, values and the inputs
    of the convolution, which are ours, and the inputs of a second convolution, which we have not. There the state of
    the subsampling goes, in equal parts. The last state counts positions that are past.
    """

    def __init__(self, model: JointModel, form: Form) -> None:
        super().__init__()
        self.model, self.form = model, form
        self.layers = model.config.audio_layers + model.config.streaming_layers
        assert isinstance(model.subsampling, ConvSubsampling), "a pretrained encoder that streams is not exported"
        self.shapes = [(channels, 2, bins) for channels, bins in model.subsampling.inputs]
        self.floats = sum(math.prod(shape) for shape in self.shapes)
        self.part = math.ceil(self.floats / (2 * self.layers))

    @property
    def metadata(self) -> dict[str, int]:
        """What sherpa-onnx must know of it; a key that is missing ends its process."""
        config, pattern = self.model.config, self.model.streaming_encoder.pattern
        assert isinstance(pattern, Chunked)
        frames = pattern.chunk * config.subsampling
        return {
            "T": frames,
            "decode_chunk_len": frames,
            "num_hidden_layers": self.layers,
            "hidden_size": self.part,
            "intermediate_size": 2 * config.dim,
            "csgu_kernel_size": config.kernel_size,
            "merge_conv_kernel": 2,
            "left_context_len": pattern.cached,
            "num_heads": config.heads,
            "head_dim": config.dim // config.heads,
        }

    def initial_states(self, streams: int) -> list[Tensor]:
        """The states before the first frame of N streams."""
        state = self.model.initial_state(streams, torch.device("cpu"))
        return self._flat(state, torch.zeros(streams, dtype=torch.int64))

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """The next chunk of features (N, T, F) to (N, R P, J), and the states after it."""
        past, pattern = states[-1], self.model.streaming_encoder.pattern
        assert isinstance(pattern, Chunked)
        filled = past.clamp_max(pattern.cached)
        before = [states[place : place + 4] for place in range(0, 4 * self.layers, 4)]
        layers = [LayerState(AttentionState(keys, values), inputs) for keys, values, inputs, _ in before]
        flat = torch.cat([part.flatten(1) for *_, part in before], dim=1)[:, : self.floats]
        # A size of -1, here and below: unflatten would write the number of streams that is traced into the graph.
        ends = list(itertools.accumulate(math.prod(shape) for shape in self.shapes))
        subsampling = tuple(
            flat[:, end - math.prod(shape) : end].view(-1, *shape) for end, shape in zip(ends, self.shapes, strict=True)
        )
        first = self.model.config.audio_layers
        state = StreamState(
            subsampling, StackState(tuple(layers[:first]), filled), StackState(tuple(layers[first:]), filled)
        )
        encoded, after = self.model.forward_chunk(self.form.features(x), state)
        projected = self.form.repeated(self.model.decoder("streaming").joiner.project_encoder(encoded))
        return (projected, *self._flat(after, past + encoded.shape[1]))

    def _flat(self, state: StreamState, past: Tensor) -> list[Tensor]:
        flat = torch.cat([part.flatten(1) for part in state.front], dim=1)
        spare = 2 * self.layers * self.part - self.floats
        parts = nn.functional.pad(flat, (0, spare)).view(-1, self.layers, 2 * self.part, 1).unbind(1)
        states: list[Tensor] = []
        for layer, part in zip((*state.audio.layers, *state.streaming.layers), parts, strict=True):
            states += [layer.attention.keys, layer.attention.values, layer.convolution, part]
        return [*states, past]


class PredictorGraph(nn.Module):
    """The predictor, and the joiner's view of it."""

    def __init__(self, decoder: TransducerDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, y: Tensor) -> Tensor:
        """The last labels (N, C) int64 to (N, J); sherpa-onnx begins with labels below 0, which stand for blanks."""
        output = self.decoder.predictor.output(y.clamp_min(BLANK))
        projected: Tensor = self.decoder.joiner.project_predictor(output)
        return projected


class JoinerGraph(nn.Module):
    """The joiner over projected sides."""

    def __init__(self, decoder: TransducerDecoder) -> None:
        super().__init__()
        self.joiner = decoder.joiner

    def forward(self, encoder_out: Tensor, decoder_out: Tensor) -> Tensor:
        """(N, J) of both sides to (N, V), whose softmax is P(blank) and P(label).

        With log P of the labels among themselves beside the blank's logit b, the softmax has exp(b) + 1 below, and
        gives HAT's sigmoid(b) and (1 - sigmoid(b)) P(label) exactly.
        """
        logits = self.joiner.logits(encoder_out, decoder_out)
        if not isinstance(self.joiner, HatJoiner):
            return logits
        return torch.cat([logits[:, :1], logits[:, 1:].log_softmax(-1)], dim=1)

"""Our side: a cascade of 7 layers, its embedding predictor and HAT joiner, greedy search."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from decode_bench.task import DIM, DONE, MEL_BINS, VOCABULARY, Task, encoder_scale, output_weights
from jointst.config import DecodingConfig, ModelConfig
from jointst.decoding.greedy import greedy_search
from jointst.models.joint import JointModel
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.predictor import EmbeddingPredictor

_CONFIG = ModelConfig(feed_forward_multiplier=3, dropout=0.0)
"""As ``tiny``, but for wider feed-forward modules: 2.3 M in the encoders alone."""
_SEARCH = DecodingConfig()


class System:
    """Fresh encoders, and a decoder set by hand."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self._model = JointModel(_CONFIG, mel_bins=MEL_BINS, vocabulary=VOCABULARY, symbols=100).eval()
        self.decoder = _force(self._model.full_context_decoder)
        model = self._model
        parts = (model.subsampling, model.audio_encoder, model.streaming_encoder, model.full_context_encoder)
        self.parameters = sum(parameter.numel() for part in parts for parameter in part.parameters())

    def encoders(self, task: Task) -> dict[str, Callable[[], object]]:
        """Ways to encode all utterances."""
        return {
            "in batches": lambda: self._encode(task.features, _SEARCH.batch_utterances),
            "one by one": lambda: self._encode(task.features, 1),
        }

    def searches(self, task: Task) -> dict[str, Callable[[], object]]:
        """Ways to search all utterances; each gives their labels."""
        one_by_one = {"one by one": lambda: self._search(task.states, 1)}
        if len(task.states) == 1:
            return one_by_one
        return {"in batches": lambda: self._search(task.states, _SEARCH.batch_utterances), **one_by_one}

    @torch.inference_mode()
    def _encode(self, features: Tensor, batch: int) -> None:
        for part in features.split(batch):
            self._model.encode_speech(part, torch.full((len(part),), part.shape[1]))

    def _search(self, states: Tensor, batch: int) -> list[list[int]]:
        found = []
        for part in states.split(batch):
            lengths = torch.full((len(part),), part.shape[1])
            hypotheses = greedy_search(self.decoder, part, lengths, _SEARCH.max_labels_per_position)
            found += [hypothesis.labels for hypothesis in hypotheses]
        return found


@torch.no_grad()
def _force(decoder: TransducerDecoder) -> TransducerDecoder:
    predictor, joiner = decoder.predictor, decoder.joiner
    assert isinstance(predictor, EmbeddingPredictor)
    # The last label's embedding says even or odd; a norm makes about sqrt(DIM) of a single 1.
    for parameter in (*predictor.parameters(), *joiner.parameters()):
        parameter.zero_()
    predictor.embedding.weight[0::2, 0] = 1.0
    predictor.embedding.weight[1::2, 1] = 1.0
    predictor.embedding.weight[0] = predictor.embedding.weight[1]  # the start counts as odd
    predictor.projection.weight[:, -DIM:] = torch.eye(DIM)
    predictor.norm.weight.fill_((DIM - 1) ** -0.5)
    joiner.project_predictor.weight[:2, :2] = DONE * torch.eye(2)
    joiner.project_encoder.weight.copy_(encoder_scale().diag())
    weight, bias = output_weights()
    joiner.output.weight.copy_(weight)
    joiner.output.bias.copy_(bias)
    return decoder

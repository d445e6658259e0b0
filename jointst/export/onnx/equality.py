"""Whether the graphs compute what the model computes: a few utterances through onnxruntime and through torch.

N utterances, T frames, F mel bins, P positions, J joint features, R times that a position is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jointst.export.onnx.files import FULL_CONTEXT, STREAMING, Graphs
from jointst.export.onnx.graphs import Form, StreamingEncoder
from jointst.models.build import Trained
from jointst.nn.decoder import TransducerDecoder

MOST = 1e-3
"""Difference that is refused, of the joiner's inputs and of log probabilities."""
SAMPLED = 200
"""Places of the lattice where the joiner is compared."""


@torch.no_grad()
def largest_difference(trained: Trained, form: Form, folder: Path, utterances: Sequence[Tensor]) -> float:
    """The largest difference over all that both compute: encoders of both passes, predictors and joiners.

    Args:
        trained: the model, on the CPU.
        form: of the graphs.
        folder: the exported folder.
        utterances: features (T, F) of each, as the model was trained with.

    Raises:
        DataError: a graph does not run.
    """
    passes = {STREAMING: _streaming, FULL_CONTEXT: _full_context}
    return max(passes[kind](trained, form, folder, utterances) for kind in trained.config.model.decoders)


def _full_context(trained: Trained, form: Form, folder: Path, utterances: Sequence[Tensor]) -> float:
    """All utterances in one batch, padded as sherpa-onnx pads."""
    graphs, model = Graphs(folder, FULL_CONTEXT, "float32"), trained.model
    padded = nn.utils.rnn.pad_sequence(list(utterances), batch_first=True, padding_value=form.floor)
    lengths = torch.tensor([len(features) for features in utterances])
    names = [side.name for side in graphs.encoder.get_inputs()]
    given = dict(zip(names, ((padded - form.shift).numpy(), lengths.numpy()), strict=True))
    frozen, read, counted = trained.front_end.frozen_encoder, padded, lengths
    if frozen is not None:
        read, counted = frozen(padded, lengths)
    ours, positions = model.encode_speech(read, counted), 0.0
    theirs, their_lengths = graphs.encoder.run(None, given)
    if (their_lengths != (form.labels * ours.lengths).numpy()).any():
        return float("inf")
    projected = model.full_context_decoder.joiner.project_encoder(ours.full_context)
    for row, length in enumerate(ours.lengths.tolist()):
        positions = max(positions, _repeats(theirs[row], projected[row, :length], form))
    return max(positions, _decoder(model.full_context_decoder, graphs, projected.flatten(0, 1)))


def _repeats(theirs: Any, ours: Tensor, form: Form) -> float:
    """The difference of R P positions (..., J) of a graph from P of ours (P, J)."""
    repeated = ours.repeat_interleave(form.labels, dim=0).numpy()
    return float(np.abs(theirs[: len(repeated)] - repeated).max(initial=0.0))


def _streaming(trained: Trained, form: Form, folder: Path, utterances: Sequence[Tensor]) -> float:
    """Streams that begin one chunk after another and end when they do, together in batches as in sherpa-onnx."""
    graphs, model = Graphs(folder, STREAMING, "float32"), trained.model
    decoder = model.decoder("streaming")
    encoder = StreamingEncoder(model, form)
    frames = encoder.metadata["T"]
    names = [side.name for side in graphs.encoder.get_inputs()]
    ends = [(0, 0, 0, -len(features) % frames) for features in utterances]
    padded = [nn.functional.pad(part, end, value=form.floor) for part, end in zip(utterances, ends, strict=True)]
    states = [[state.numpy() for state in encoder.initial_states(1)] for _ in padded]
    outputs: list[list[Any]] = [[] for _ in padded]
    step = 0
    while active := [i for i, features in enumerate(padded) if step - i < len(features) // frames]:
        running = [i for i in active if step >= i]
        step += 1
        chunks = [padded[i][frames * (step - 1 - i) : frames * (step - i)] for i in running]
        if not chunks:
            continue
        batched = [np.concatenate(parts) for parts in zip(*(states[i] for i in running), strict=True)]
        given = dict(zip(names, ((torch.stack(chunks) - form.shift).numpy(), *batched), strict=True))
        encoded, *after = graphs.encoder.run(None, given)
        for row, i in enumerate(running):
            outputs[i].append(encoded[row])
            states[i] = [state[row : row + 1] for state in after]
    largest, seen = 0.0, []
    for features, found in zip(padded, outputs, strict=True):
        ours = model.encode_speech(features[None], torch.tensor([len(features)])).streaming
        projected = decoder.joiner.project_encoder(ours[0])
        seen.append(projected)
        largest = max(largest, _repeats(np.concatenate(found), projected, form))
    return max(largest, _decoder(decoder, graphs, torch.cat(seen)))


def _decoder(decoder: TransducerDecoder, graphs: Graphs, projected: Tensor) -> float:
    """Predictor and joiner at some positions (P, J), each after other labels, the first after none."""
    generator = torch.Generator().manual_seed(0)
    count, context = min(SAMPLED, len(projected)), graphs.numbers["context_size"]
    places = torch.randperm(len(projected), generator=generator)[:count]
    labels = torch.randint(decoder.vocabulary, (count, context), generator=generator)
    labels[:1] = 0
    given = labels.clone()
    given[:1, :-1] = -1  # as sherpa-onnx begins
    predicted = decoder.joiner.project_predictor(decoder.predictor.output(labels))
    sides = projected[places]
    their_predicted = graphs.decoder.run(None, {graphs.decoder.get_inputs()[0].name: given.numpy()})[0]
    names = [side.name for side in graphs.joiner.get_inputs()]
    logits = graphs.joiner.run(None, dict(zip(names, (sides.numpy(), their_predicted), strict=True)))[0]
    log_blank, log_labels = decoder.joiner.log_probs(sides, predicted)
    ours = torch.cat([log_blank[:, None], log_labels], dim=1)
    theirs = torch.from_numpy(logits).log_softmax(-1)
    return max(float((torch.from_numpy(their_predicted) - predicted).abs().max()), float((theirs - ours).abs().max()))

"""The streaming encoder never looks beyond its chunk."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from jointst.config import ModelConfig
from jointst.models.joint import JointModel
from jointst.nn.conformer import Chunked


def test_streaming_output_does_not_depend_on_later_chunks() -> None:
    torch.manual_seed(0)
    config = ModelConfig(dim=16, full_context_dim=16, heads=2, dropout=0.0, chunk=4, left_chunks=2)
    model = JointModel(config, mel_bins=20, vocabulary=12, symbols=30).eval()
    features = torch.randn(1, 96, 20)
    changed = features.clone()
    changed[:, 48:] += 1.0  # the second half: positions 12 and later, the fourth chunk on
    lengths = torch.tensor([96])
    one, other = model.encode_speech(features, lengths), model.encode_speech(changed, lengths)
    assert torch.equal(one.streaming[:, :12], other.streaming[:, :12])
    assert not torch.allclose(one.streaming[:, 12:], other.streaming[:, 12:])
    assert not torch.allclose(one.full_context[:, :12], other.full_context[:, :12])


def test_limited_right_context_bounds_the_look_ahead() -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        dim=16,
        full_context_dim=16,
        heads=2,
        dropout=0.0,
        chunk=1,
        right_context=5,
        full_context_layers=2,
        kernel_size=3,
    )
    model = JointModel(config, mel_bins=20, vocabulary=12, symbols=30).eval()
    features = torch.randn(1, 80, 20)
    changed = features.clone()
    changed[:, 40:] += 1.0  # positions 10 and later
    lengths = torch.tensor([80])
    one, other = model.encode_speech(features, lengths), model.encode_speech(changed, lengths)
    # 2 positions in each of 2 layers, none through convolutions
    assert torch.allclose(one.full_context[:, :6], other.full_context[:, :6], atol=1e-6)
    assert not torch.allclose(one.full_context[:, 6], other.full_context[:, 6], atol=1e-6)


def make_streaming(chunk: int, left_chunks: int, audio_layers: int = 2) -> JointModel:
    torch.manual_seed(1)
    config = ModelConfig(
        dim=16,
        full_context_dim=16,
        heads=2,
        dropout=0.0,
        audio_layers=audio_layers,
        chunk=chunk,
        left_chunks=left_chunks,
        kernel_size=5,
    )
    return JointModel(config, mel_bins=21, vocabulary=12, symbols=30).eval()


@torch.inference_mode()
def pieces_together(model: JointModel, features: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Feed pieces of these many chunks in turn; the rest, whatever its length, comes last."""
    state = model.initial_state(len(features), features.device)
    shapes = [tensor.shape for tensor in tensors(state)]
    frames, outputs, position, turn = model.chunk * model.config.subsampling, [], 0, 0
    while position < features.shape[1]:
        size = sizes[turn % len(sizes)] * frames
        output, state = model.forward_chunk(features[:, position : position + size], state)
        outputs.append(output)
        if position + size < features.shape[1]:
            assert [tensor.shape for tensor in tensors(state)] == shapes, "the state keeps its shape"
        position, turn = position + size, turn + 1
    return torch.cat(outputs, dim=1)


def tensors(state: object) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    assert isinstance(state, tuple)
    return [tensor for part in state for tensor in tensors(part)]


@pytest.mark.parametrize("chunk", [1, 4, 16])
@pytest.mark.parametrize("left_chunks", [0, 2])
def test_streaming_equals_offline(chunk: int, left_chunks: int) -> None:
    model = make_streaming(chunk, left_chunks, audio_layers=left_chunks)
    for frames in (3, 64 * chunk if chunk < 16 else 256, 333):
        features = torch.randn(2, frames, 21)
        offline = model.encode_speech(features, torch.full((2,), frames)).streaming
        for sizes in ([1], [3, 1, 2]):
            online = pieces_together(model, features, sizes)
            torch.testing.assert_close(online, offline, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_streams_of_unequal_age_share_a_batch() -> None:
    model = make_streaming(4, 2)
    features = torch.randn(2, 16 * 4, 21)
    older, young = (model.initial_state(1, features.device) for _ in range(2))
    _, older = model.forward_chunk(features[:1, :32], older)
    together = [torch.cat(pair) for pair in zip(tensors(older), tensors(young), strict=True)]
    chunks = torch.cat([features[:1, 32:48], features[1:, :16]])
    found, _ = model.forward_chunk(chunks, rebuilt(older, iter(together)))
    for row, state in ((0, older), (1, young)):
        alone, _ = model.forward_chunk(chunks[row : row + 1], state)
        torch.testing.assert_close(found[row : row + 1], alone, rtol=0, atol=1e-5)


def rebuilt(like: Any, parts: Iterator[torch.Tensor]) -> Any:
    if isinstance(like, torch.Tensor):
        return next(parts)
    inside = [rebuilt(part, parts) for part in like]
    return type(like)(*inside) if hasattr(like, "_fields") else tuple(inside)


def test_rotary_angles_do_not_grow_with_the_stream() -> None:
    """Streaming depends on what the caches hold, not on how much came before: after 400 s as after 40."""
    model = make_streaming(4, 2)
    period = torch.randn(1, 4 * 4 * 25, 21)
    online = pieces_together(model, period.repeat(1, 25, 1), [1])
    length = period.shape[1] // 4
    torch.testing.assert_close(online[:, -length:], online[:, length : 2 * length], rtol=0, atol=1e-5)


def test_another_chunk_size_keeps_the_past_in_positions() -> None:
    model = make_streaming(4, 3)
    model.use_chunk(5)
    assert model.streaming_encoder.pattern == Chunked(5, 3)
    assert model.text_encoder.layers.pattern == Chunked(5, 3)
    model.use_chunk(1)
    assert model.audio_encoder.pattern == Chunked(1, 12)
    features = torch.randn(1, 90, 21)
    offline = model.encode_speech(features, torch.tensor([90])).streaming
    torch.testing.assert_close(pieces_together(model, features, [1]), offline, rtol=0, atol=1e-4)
    model.use_chunk(4)
    assert model.streaming_encoder.pattern == Chunked(4, 3)

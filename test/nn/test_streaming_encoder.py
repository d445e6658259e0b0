"""The streaming encoder never looks beyond its chunk."""

import torch

from jointst.config import ModelConfig
from jointst.models.joint import JointModel


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
        right_context=2,
        full_context_layers=1,
        kernel_size=3,
    )
    model = JointModel(config, mel_bins=20, vocabulary=12, symbols=30).eval()
    features = torch.randn(1, 80, 20)
    changed = features.clone()
    changed[:, 40:] += 1.0  # positions 10 and later
    lengths = torch.tensor([80])
    one, other = model.encode_speech(features, lengths), model.encode_speech(changed, lengths)
    # 2 positions through attention, then 1 through the convolution
    assert torch.allclose(one.full_context[:, :7], other.full_context[:, :7], atol=1e-6)
    assert not torch.allclose(one.full_context[:, :10], other.full_context[:, :10], atol=1e-6)

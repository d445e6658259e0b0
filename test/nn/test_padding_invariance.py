"""Every module on the time axis: an utterance alone gives what it gives inside a padded batch, gradient included."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from jointst.config import AudioEncoderConfig, ModelConfig, TextEncoderConfig
from jointst.models.joint import JointModel
from jointst.nn.attention import rotary_tables, rotate
from jointst.nn.conformer import Chunked, ConformerStack, full_context
from jointst.nn.stacking import StackedStates
from jointst.nn.subsampling import ConvSubsampling
from jointst.nn.text_encoder import TextEncoder

DIM = 16
LENGTHS = torch.tensor([23, 9, 1])

Forward = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def stack(pattern, causal: bool) -> ConformerStack:  # type: ignore[no-untyped-def]
    return ConformerStack(
        2, DIM, pattern, heads=2, feed_forward_multiplier=2, kernel_size=5, dropout=0.0, causal=causal
    )


def last(module: ConformerStack) -> Forward:
    return lambda x, lengths: (module(x, lengths)[0][-1], lengths)


def text(upsampling: str) -> TextEncoder:
    config = TextEncoderConfig(upsampling=upsampling, repeats=3)  # type: ignore[arg-type]
    return TextEncoder(30, DIM, config, stack(Chunked(3, 1), causal=True))


CASES: dict[str, Callable[[], tuple[nn.Module, Forward, int]]] = {
    "subsampling 4": lambda: (m := ConvSubsampling(11, DIM, 4), m, 11),
    "subsampling 8": lambda: (m := ConvSubsampling(11, DIM, 8), m, 11),
    "stacked states": lambda: (m := StackedStates(11, DIM, 2, 0.0), m, 11),
    "streaming stack": lambda: (m := stack(Chunked(4, 2), causal=True), last(m), DIM),
    "full-context stack": lambda: (m := stack(full_context(-1), causal=False), last(m), DIM),
    "limited right context": lambda: (m := stack(full_context(2), causal=False), last(m), DIM),
}


def check(module: nn.Module, forward: Forward, batch: Tensor, lengths: Tensor) -> None:
    """Compare outputs and parameter gradients of a padded batch with those of its utterances alone."""
    module.eval()
    output, output_lengths = forward(batch, lengths)
    upstream = torch.randn_like(output)
    for b, length in enumerate(output_lengths.tolist()):
        upstream[b, length:] = 0
    together = torch.autograd.grad((output * upstream).sum(), list(module.parameters()), allow_unused=True)
    separate = [torch.zeros_like(parameter) for parameter in module.parameters()]
    for b, length in enumerate(lengths.tolist()):
        alone, alone_lengths = forward(batch[b : b + 1, :length], lengths[b : b + 1])
        assert alone_lengths.item() == output_lengths[b].item() == alone.shape[1]
        assert torch.allclose(alone[0], output[b, : alone.shape[1]], atol=1e-5)
        loss = (alone[0] * upstream[b, : alone.shape[1]]).sum()
        for total, part in zip(separate, torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)):
            if part is not None:
                total += part
    for total, whole in zip(separate, together, strict=True):
        expected = torch.zeros_like(total) if whole is None else whole
        assert torch.linalg.vector_norm(total - expected) <= 1e-4 * (1 + torch.linalg.vector_norm(expected))


@pytest.mark.parametrize("name", CASES)
def test_module(name: str) -> None:
    torch.manual_seed(0)
    module, forward, features = CASES[name]()
    check(module, forward, torch.randn(3, 23, features), LENGTHS)


def test_padding_of_any_value_does_not_leak() -> None:
    torch.manual_seed(0)
    module = stack(full_context(-1), causal=False).eval()
    batch = torch.randn(3, 23, DIM)
    spoiled = batch.clone()
    for b, length in enumerate(LENGTHS.tolist()):
        spoiled[b, length:] = 1e4
    one, other = module(batch, LENGTHS)[0][-1], module(spoiled, LENGTHS)[0][-1]
    for b, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(one[b, :length], other[b, :length])


@pytest.mark.parametrize("upsampling", ["none", "fixed", "uniform", "gaussian"])
def test_text_encoder(upsampling: str) -> None:
    torch.manual_seed(0)
    module = text(upsampling)
    check(module, lambda phones, lengths: module(phones, lengths), torch.randint(3, 30, (3, 23)), LENGTHS)


@pytest.mark.parametrize("right_context", [-1, 3])
def test_whole_model(right_context: int) -> None:
    torch.manual_seed(0)
    config = ModelConfig(dim=DIM, full_context_dim=32, heads=2, dropout=0.0, chunk=2, right_context=right_context)
    model = JointModel(config, mel_bins=20, vocabulary=12, symbols=30)

    def speech(features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        encoded = model.encode_speech(features, lengths)
        return torch.cat([encoded.streaming, encoded.full_context, *encoded.states], dim=-1), encoded.lengths

    check(model, speech, torch.randn(3, 60, 20), torch.tensor([60, 31, 4]))


def test_whole_model_on_states_that_hear_whole_utterances() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoderConfig(kind="whisper", source="whisper-base")
    config = ModelConfig(dim=DIM, full_context_dim=DIM, heads=2, dropout=0.0, audio_encoder=encoder)
    model = JointModel(config, mel_bins=20, vocabulary=12, symbols=30)
    assert model.streaming_decoder is None
    assert model.layer_names[0] == "shared 1"
    assert config.decoder_weights(0.5) == {"full_context": 1.0}

    def speech(states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        encoded = model.encode_speech(states, lengths)
        return torch.cat([encoded.front, *encoded.states], dim=-1), encoded.lengths

    states = torch.randn(3, 60, 20)
    check(model, speech, states, torch.tensor([60, 31, 4]))
    assert speech(states, torch.tensor([60, 31, 4]))[1].tolist() == [30, 16, 2]
    states = states[:1].requires_grad_()
    first = model.encode_audio(states, torch.tensor([60]))[0][0, 0, 0]
    assert torch.autograd.grad(first, states)[0][0, -1].any(), "the first position hears the last state"


def test_turning_features_turns_gradients_back() -> None:
    torch.manual_seed(0)
    tables = [table.double() for table in rotary_tables(5, 6, torch.device("cpu"))]
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rotate(x, *tables), x)
    torch.testing.assert_close(rotate(x, *tables).norm(), x.norm())
    x = x.detach()
    dots = [float(rotate(x, *tables)[0, 0, i] @ rotate(x[:, :, [1] * 5], *tables)[0, 0, i]) for i in range(5)]
    apart = [float(x[0, 0, i] @ x[0, 0, 1]) for i in range(5)]
    assert dots == pytest.approx(apart), "no angle between equal positions"

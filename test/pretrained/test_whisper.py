"""Whisper's encoder: what transformers computes, from either form of its files, whatever follows an utterance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pretrained.small_whisper import small_whisper, variables, write_ctranslate2, write_hub

from jointst.pretrained.registry import open_encoder
from jointst.pretrained.whisper import WhisperEncoder, whisper_mel

LENGTHS = torch.tensor([41, 17, 2, 1])


def test_an_utterance_alone_is_what_it_is_in_a_batch_gradient_included() -> None:
    encoder = small_whisper()
    features = torch.randn(4, 41, 80, requires_grad=True)
    states, lengths = encoder(features, LENGTHS)
    assert lengths.tolist() == [21, 9, 1, 1] == encoder.state_lengths(LENGTHS).tolist()
    assert states.shape == (4, 21, encoder.dim)
    weight = torch.randn_like(states)
    valid = torch.arange(21) < lengths[:, None]
    (states * weight * valid[:, :, None]).sum().backward()
    for i, length in enumerate(LENGTHS.tolist()):
        alone = features[i : i + 1, :length].detach().clone().requires_grad_()
        own, count = encoder(alone, torch.tensor([length]))
        assert count.item() == lengths[i]
        torch.testing.assert_close(own[0], states[i, : int(lengths[i])])
        (own * weight[i : i + 1, : own.shape[1]]).sum().backward()
        torch.testing.assert_close(alone.grad[0], features.grad[i, :length])  # type: ignore[index]
    assert not features.grad[1, 17:].any()  # type: ignore[index]


@torch.inference_mode()
def test_the_same_as_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Reference

    encoder = small_whisper()
    config = transformers.WhisperConfig(**{k: v for k, v in encoder.settings.items() if k != "model_type"})
    reference = Reference(config).eval()
    reference.load_state_dict(encoder.state_dict())
    features = torch.randn(1, 120, 80)  # the one length that it takes
    ours, lengths = encoder(features, torch.tensor([120]))
    assert lengths.item() == 60
    torch.testing.assert_close(ours, reference(features.mT).last_hidden_state)


@pytest.mark.parametrize(
    ("rows", "begins"),
    [
        (120, [0]),
        (119, [0]),
        (122, [0, 1]),
        (139, [0, 10]),
        (190, [0, 35]),
        (240, [0, 30, 60]),
        (641, [0, 43, 87, 130, 174, 217, 261]),
    ],
)
@torch.inference_mode()
def test_long_utterances_go_through_in_windows(rows: int, begins: list[int]) -> None:
    """It never learnt of later positions: each state is that of a window of 60, the one in whose middle it is."""
    encoder, features = small_whisper(), torch.randn(1, rows, 80)
    states, lengths = encoder(features, torch.tensor([rows]))
    count = (rows + 1) // 2
    assert states.shape == (1, count, 16)
    assert lengths.item() == count
    windows = [
        encoder(part, torch.tensor([part.shape[1]]))[0]
        for begin in begins
        for part in [features[:, 2 * begin : 2 * begin + 120]]
    ]
    for place in range(count):
        near = [
            window[0, place - begin]
            for begin, window in zip(begins, windows)
            if begin <= place < begin + window.shape[1]
            and min((place - begin if begin else 60), (59 - place + begin if begin < count - 60 else 60)) >= 4
        ]
        assert any(torch.allclose(states[0, place], state, atol=1e-5) for state in near), place


@torch.inference_mode()
def test_long_utterances_in_a_batch() -> None:
    encoder, features = small_whisper(), torch.randn(3, 190, 80)
    rows = torch.tensor([190, 60, 125])
    states, lengths = encoder(features, rows)
    for own, state, row, length in zip(features, states, rows.tolist(), lengths.tolist()):
        alone, _ = encoder(own[None, :row], torch.tensor([row]))
        torch.testing.assert_close(state[:length], alone[0], atol=1e-5, rtol=1e-4)


def test_layers_are_called_once_in_training_whatever_they_hear() -> None:
    """Processes that share a model wait for each other there."""
    encoder, features, rows = small_whisper().train(), torch.randn(3, 190, 80), torch.tensor([190, 60, 125])
    calls = []
    encoder.layers[0].register_forward_hook(lambda *_: calls.append(1))
    states, lengths = encoder(features, rows)
    assert len(calls) == 1
    expected, _ = encoder.eval()(features, rows)
    for own, state, length in zip(expected, states, lengths.tolist(), strict=True):
        torch.testing.assert_close(state[:length], own[:length], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("prefix", "files"), [("model.encoder.", 1), ("encoder.", 1), ("", 1), ("model.encoder.", 3)])
def test_opened_from_the_form_of_the_hub(tmp_path: Path, prefix: str, files: int) -> None:
    encoder = small_whisper()
    opened = open_encoder("whisper", write_hub(tmp_path, encoder, prefix, files))
    assert isinstance(opened, WhisperEncoder)
    assert opened.settings == encoder.settings
    assert not opened.training
    own = encoder.state_dict()
    for name, weight in opened.state_dict().items():
        assert torch.equal(weight, own[name]), name


@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 0.0), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_opened_from_the_form_of_ctranslate2(tmp_path: Path, dtype: torch.dtype, off: float) -> None:
    encoder = small_whisper()
    opened = open_encoder("whisper", write_ctranslate2(tmp_path, variables(encoder), dtype))
    assert isinstance(opened, WhisperEncoder)
    assert opened.settings == encoder.settings
    own = encoder.state_dict()
    assert opened.state_dict().keys() == own.keys()
    for name, weight in opened.state_dict().items():
        assert weight.dtype == torch.float32
        torch.testing.assert_close(weight, own[name], atol=off, rtol=off, msg=name)


@torch.inference_mode()
@pytest.mark.parametrize("form", ["hub", "ctranslate2"])
def test_packed_it_is_the_same(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "folder"
    encoder = small_whisper()
    if form == "hub":
        write_hub(folder, encoder)
    else:
        write_ctranslate2(folder, variables(encoder), torch.float16)
    WhisperEncoder.pack(folder, tmp_path / "packed")
    one, other = (open_encoder("whisper", path) for path in (folder, tmp_path / "packed"))
    features, lengths = torch.randn(1, 30, 80), torch.tensor([30])
    assert torch.equal(one(features, lengths)[0], other(features, lengths)[0])


def test_blocks_hold_all_that_is_trained_but_the_last_norm() -> None:
    encoder = small_whisper()
    held = {id(weight) for block in encoder.blocks() for weight in block.parameters()}
    rest = [name for name, weight in encoder.named_parameters() if id(weight) not in held]
    assert rest == ["layer_norm.weight", "layer_norm.bias"]


@pytest.mark.parametrize("bins", [80, 128])
def test_features_are_those_of_transformers(bins: int) -> None:
    transformers = pytest.importorskip("transformers")
    waveform = 0.1 * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    ours = whisper_mel(waveform, bins)
    extract = transformers.WhisperFeatureExtractor(feature_size=bins)
    theirs = torch.from_numpy(
        extract(waveform.numpy(), sampling_rate=16000, return_tensors="np")["input_features"][0]
    ).T
    assert ours.shape == (125, bins)
    torch.testing.assert_close(ours[:-2], theirs[:123], atol=2e-5, rtol=0)  # the end hears other padding


@pytest.mark.parametrize(("samples", "rows"), [(0, 0), (399, 0), (400, 2), (479, 2), (480, 3), (16000, 100)])
def test_number_of_rows(samples: int, rows: int) -> None:
    assert whisper_mel(torch.zeros(samples), 80).shape == (rows, 80)

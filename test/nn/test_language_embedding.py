"""The language embedding: off by default, one vector a language, in speech and text alike, streaming included."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from jointst.common.languages import LANGUAGES
from jointst.config import ModelConfig, TextEncoderConfig
from jointst.models.joint import JointModel
from jointst.nn.language_embedding import LanguageEmbedding

CONFIG = ModelConfig(
    dim=16,
    full_context_dim=16,
    heads=2,
    audio_layers=1,
    streaming_layers=1,
    full_context_layers=1,
    dropout=0.0,
    language_embedding=True,
    text_encoder=TextEncoderConfig(mask_share=0.0),
)
FEATURES = torch.randn(3, 64, 8, generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([64, 50, 64])
PHONES = torch.randint(1, 9, (3, 6), generator=torch.Generator().manual_seed(1))
PHONE_LENGTHS = torch.tensor([6, 4, 5])


def make(config: ModelConfig) -> JointModel:
    torch.manual_seed(0)
    model = JointModel(config, mel_bins=8, vocabulary=9, symbols=9).eval()
    if model.language is not None:
        torch.nn.init.normal_(model.language.vectors.weight)
    return model


def test_it_is_off_by_default() -> None:
    model = make(dataclasses.replace(CONFIG, language_embedding=False))
    assert model.language is None
    one, other = (model.encode_speech(FEATURES, LENGTHS, codes) for codes in (["en"] * 3, ["ru"] * 3))
    assert torch.equal(one.full_context, other.full_context)


@pytest.mark.parametrize("side", ["speech", "text"])
def test_the_vector_of_the_language_is_added_to_what_enters_the_shared_encoders(side: str) -> None:
    model = make(CONFIG)
    assert model.language is not None

    def encode(languages: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        if side == "speech":
            encoded = model.encode_speech(FEATURES, LENGTHS, languages)
        else:
            encoded = model.encode_text(PHONES, PHONE_LENGTHS, languages=languages)
        return encoded.front, encoded.full_context

    front, states = encode(["en", "ru", "zh"])
    none, unknown = encode([])
    codes = sorted(LANGUAGES)
    rows = [1 + codes.index(code) for code in ("en", "ru", "zh")]
    wanted = model.language.vectors.weight[rows] - model.language.vectors.weight[0]
    torch.testing.assert_close(front - none, wanted.unsqueeze(1).expand_as(front))
    assert not torch.allclose(states, unknown)
    swapped, _ = encode(["ru", "ru", "zh"])
    assert not torch.allclose(swapped[0], front[0])
    assert torch.equal(swapped[1:], front[1:])


def test_each_language_gets_a_gradient_of_its_own() -> None:
    embedding = LanguageEmbedding(4)
    embedding(torch.zeros(2, 3, 4), ["de", "de"]).sum().backward()
    gradient = embedding.vectors.weight.grad
    assert gradient is not None
    assert gradient.sum(dim=1).nonzero().flatten().tolist() == [1 + sorted(LANGUAGES).index("de")]


def test_streaming_is_the_whole_utterance_without_its_language() -> None:
    model = make(CONFIG)
    whole = model.encode_speech(FEATURES[:1], LENGTHS[:1]).streaming
    state, parts = model.initial_state(1, torch.device("cpu")), []
    for start in range(0, 64, 32):
        part, state = model.forward_chunk(FEATURES[:1, start : start + 32], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)

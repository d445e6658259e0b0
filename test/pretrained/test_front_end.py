"""From samples to what a model reads, and what settings know of kinds of encoders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pretrained.small_whisper import small_whisper, write_hub

from jointst.config import AudioEncoderConfig, FeatureConfig
from jointst.config.encoder import ENCODER_KINDS
from jointst.kaldi.log_mel import log_mel
from jointst.pretrained import front_end as module
from jointst.pretrained.encoder import WAVEFORM_ROW
from jointst.pretrained.front_end import FrontEnd, front_end
from jointst.pretrained.registry import ENCODERS, encoder_class
from jointst.pretrained.whisper import whisper_mel

CONFIG = FeatureConfig()
SAMPLES = [8000, 300, 16000, 8000, 0, 5000]


@pytest.fixture
def waveforms() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [0.1 * torch.randn(samples, generator=generator) for samples in SAMPLES]


def test_without_an_encoder_it_is_log_mel(waveforms: list[torch.Tensor]) -> None:
    for made, waveform in zip(front_end(CONFIG, None)(waveforms), waveforms, strict=True):
        assert torch.equal(made, log_mel(waveform, CONFIG))


@pytest.mark.parametrize("together", [1, 20000, 10**9])
def test_states_of_a_frozen_encoder_do_not_depend_on_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waveforms: list[torch.Tensor], together: int
) -> None:
    monkeypatch.setattr(module, "BATCH_SAMPLES", together)
    encoder = small_whisper()
    settings = AudioEncoderConfig(kind="whisper", source=str(write_hub(tmp_path, encoder)), dim=16)
    made = front_end(CONFIG, (settings, tmp_path))(waveforms)
    assert [len(states) for states in made] == [25, 0, 50, 25, 0, 16]
    for states, waveform in zip(made, waveforms, strict=True):
        assert states.shape[1] == 16
        rows = whisper_mel(waveform, 80)
        if len(rows):
            alone, _ = encoder(rows[None], torch.tensor([len(rows)]))
            torch.testing.assert_close(states, alone[0])


def test_a_trained_encoder_is_given_its_features(waveforms: list[torch.Tensor]) -> None:
    made = FrontEnd(CONFIG, small_whisper(), frozen=False)(waveforms)
    assert all(torch.equal(rows, whisper_mel(w, 80)) for rows, w in zip(made, waveforms, strict=True))


def test_rows_of_a_waveform(waveforms: list[torch.Tensor]) -> None:
    encoder = small_whisper()
    encoder.features = "waveform"  # type: ignore[misc]
    made = FrontEnd(CONFIG, encoder, frozen=False)(waveforms)
    assert [rows.shape for rows in made] == [(n, WAVEFORM_ROW) for n in (25, 0, 50, 25, 0, 16)]
    assert torch.equal(made[5].flatten()[:5000], waveforms[5])
    assert not made[5].flatten()[5000:].any()


@pytest.mark.parametrize("kind", ENCODERS)
def test_settings_know_each_kind(kind: str) -> None:
    cls, known = encoder_class(kind), ENCODER_KINDS[kind]
    assert cls.kind == kind
    assert cls.causal == known.causal
    assert known.row == (20.0 if cls.features == "waveform" else 10.0)


def test_every_kind_has_a_class() -> None:
    assert ENCODERS.keys() == ENCODER_KINDS.keys()

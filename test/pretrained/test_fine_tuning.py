"""A pretrained encoder as a part of the model: from waveforms through training, resumed, to a packed recogniser."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
from pretrained.small_whisper import small_whisper, variables, write_ctranslate2
from pretrained.tiny import MODELS, write_model
from safetensors.torch import load_file
from torch.nn.functional import pad

from jointst.common.errors import ConfigError
from jointst.config import (
    AudioEncoderConfig,
    BatchConfig,
    Config,
    ConsistencyConfig,
    FeatureConfig,
    LossConfig,
    SpecAugmentConfig,
    SpeechBatchConfig,
    TrainingConfig,
)
from jointst.config.context import Context
from jointst.config.stated import settings_of
from jointst.data.batch import JointBatch
from jointst.data.features import run as make_features
from jointst.data.read_features import read_features
from jointst.export.pack import run as export
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import write_table
from jointst.models.build import build_model, load_trained, read_symbols
from jointst.pretrained.fine_tuning import rate_shares, recompute
from jointst.pretrained.registry import open_encoder
from jointst.training.data import read_training_sets
from jointst.training.module import JointModule
from jointst.training.schedule import optimisation
from jointst.training.train import run
from jointst.transcription.recogniser import Recogniser

pytest.importorskip("transformers")

UPDATES = TrainingConfig(
    max_updates=6,
    validate_every=3,
    speech_batch=SpeechBatchConfig(max_utterances=4),
    text_batch=BatchConfig(max_utterances=4),
    warmup_updates=2,
    freeze=("pretrained",),
    freeze_updates=2,
)


def with_encoder(toy: Context, name: str, **settings: Any) -> Context:
    """The toy experiment with speech of noise, and a tiny encoder whose folder is ``hub``."""
    if name == "whisper":
        write_ctranslate2(Path("hub"), variables(small_whisper()))
    else:
        write_model(Path("hub"), name)
    generator = np.random.default_rng(5)
    for split in ("t_train", "t_dev", "t_test"):
        directory = DataDirectory.read(toy.data / split)
        entries = {}
        for utterance, frames in directory.utt2num_frames.items():
            entries[utterance] = str(Path("wav", f"{utterance}.wav").absolute())
            Path("wav").mkdir(exist_ok=True)
            soundfile.write(entries[utterance], 0.1 * generator.standard_normal(160 * frames + 333), 16000)
        write_table(directory.path / "wav.scp", entries)
        (directory.path / "feats.scp").unlink()
        (directory.path / "utt2num_frames").unlink()
    for path in [*toy.exp.glob("*.safetensors"), toy.exp / "log.jsonl", toy.exp / "config.yaml"]:
        path.unlink()
    kind = "whisper" if name == "whisper" else MODELS[name][0]
    encoder = AudioEncoderConfig(kind=kind, source="hub", dim=16, **settings)  # type: ignore[arg-type]
    sizes: dict[str, Any] = {"subsampling": 8, "chunk": 2} if encoder.kind == "nemotron" else {}
    config = Config(
        data=toy.config.data,
        features=FeatureConfig(),
        model=dataclasses.replace(toy.config.model, audio_encoder=encoder, **sizes),
        loss=LossConfig(ctc_only_updates=2, consistency=ConsistencyConfig(weight=0.3, start_update=4, ramp_updates=1)),
        training=UPDATES if encoder.fine_tuned else dataclasses.replace(UPDATES, freeze=(), freeze_updates=0),
    )
    return dataclasses.replace(toy, config=config, nj=1)


@pytest.fixture
def heard(toy: Context) -> Context:
    """The toy experiment before training, with a HuBERT that is fine-tuned."""
    context = with_encoder(toy, "hubert", use="fine_tuned")
    make_features(context)
    return context


@pytest.mark.parametrize("name", ["hubert", "whisper"])
def test_what_it_reads_may_be_made_each_time(toy: Context, name: str) -> None:
    context = with_encoder(toy, name, use="fine_tuned")
    made = []
    for settings in ({"compress": False}, {"storage": "on_the_fly"}):
        features = dataclasses.replace(context.config.features, **settings)
        make_features(dataclasses.replace(context, config=dataclasses.replace(context.config, features=features)))
        directory = DataDirectory.read(context.data / "t_train")
        made.append({key: read_features(place) for key, place in directory.feats_scp.items()})
    assert made[0].keys() == made[1].keys()
    for key, matrix in made[1].items():
        torch.testing.assert_close(matrix, made[0][key], atol=1e-4, rtol=0)


def test_from_waveforms_to_a_packed_recogniser(heard: Context) -> None:
    directory = DataDirectory.read(heard.data / "t_train")
    wav = directory.wav_scp[directory.utterances[0]]
    samples = torch.from_numpy(soundfile.read(wav, dtype="float32")[0])
    expected = pad(samples, (0, -len(samples) % 320)).reshape(-1, 320)
    kept = torch.from_numpy(np.array(kaldiio.load_mat(directory.feats_scp[directory.utterances[0]])))
    torch.testing.assert_close(kept, expected, atol=3e-5, rtol=0)  # 16 bits, as many as there were
    assert directory.utt2num_frames[directory.utterances[0]] == len(expected)
    run(heard)
    trained = load_trained(heard)
    assert trained.model.pretrained is not None
    published = open_encoder("hubert", Path("hub")).state_dict()
    own = trained.model.pretrained.state_dict()
    moved = {name: float((own[name] - published[name]).abs().max()) for name in own}
    assert max(moved.values()) > 0
    assert max(moved.values()) < 1e-2  # its rates are small, and it was kept for the first updates
    packed = export(heard).where
    Path("hub").rename("away")
    recogniser = Recogniser.load(packed)
    assert torch.equal(recogniser.trained.front_end([samples])[0], expected)
    result = recogniser.transcribe(wav)
    assert result.seconds == pytest.approx(len(samples) / 16000, abs=1e-3)
    with pytest.raises(ConfigError, match="hubert encoder hears whole utterances"):
        recogniser.stream()


def test_whisper_of_another_form_of_files_is_packed_as_the_others(toy: Context) -> None:
    context = with_encoder(toy, "whisper", use="fine_tuned")
    make_features(context)
    fresh = build_model(context.config, read_symbols(context.config, context.data))
    assert all(module.training for module in fresh.modules())
    run(context)
    packed = export(context).where
    Path("hub").rename("away")
    recogniser = Recogniser.load(packed)
    assert recogniser.trained.model.pretrained is not None
    table = recogniser.trained.model.pretrained.state_dict()["embed_positions.weight"]
    assert torch.equal(table, small_whisper().state_dict()["embed_positions.weight"])  # never trained
    samples = (0.1 * np.random.default_rng(6).standard_normal(16000)).astype(np.float32)
    assert recogniser.transcribe(samples).seconds == 1.0


def test_broken_and_continued_to_the_bit(heard: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    run(heard)
    broken = dataclasses.replace(heard, name="broken")
    original = JointModule.training_step

    def step(self: JointModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 4:
            raise ConnectionAbortedError
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(JointModule, "training_step", step)
        with pytest.raises(ConnectionAbortedError):
            run(broken)
    run(broken)
    one, other = (load_file(each.exp / "model.safetensors") for each in (heard, broken))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_frozen_at_first_and_recomputed_all_the_same(heard: Context) -> None:
    frozen = dataclasses.replace(heard.config.training, freeze_updates=0, max_updates=3)
    run(dataclasses.replace(heard, config=dataclasses.replace(heard.config, training=frozen), name="frozen"))
    published = open_encoder("hubert", Path("hub")).state_dict()
    state = load_file(Path("exp/frozen/model.safetensors"))
    assert all(torch.equal(state[f"pretrained.{name}"], weight) for name, weight in published.items())
    encoder = dataclasses.replace(heard.config.model.audio_encoder, recompute=True)
    model = dataclasses.replace(heard.config.model, audio_encoder=encoder)
    run(heard)
    run(dataclasses.replace(heard, config=dataclasses.replace(heard.config, model=model), name="recomputed"))
    one, other = (load_file(Path("exp", name, "model.safetensors")) for name in (heard.name, "recomputed"))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("name", MODELS)
def test_recomputing_changes_no_gradient(name: str, tmp_path: Path) -> None:
    write_model(tmp_path, name)
    gradients = []
    for again in (False, True):
        encoder = open_encoder(MODELS[name][0], tmp_path).train()
        if again:
            recompute(encoder)
        torch.manual_seed(4)
        states, _ = encoder(torch.randn(2, 20, encoder.row_width), torch.tensor([20, 13]))
        torch.manual_seed(5)
        (states[0] * torch.randn_like(states[0])).sum().backward()
        gradients.append({key: weight.grad for key, weight in encoder.named_parameters() if weight.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][key])


def test_rates_fall_from_block_to_block(heard: Context) -> None:
    encoder = dataclasses.replace(heard.config.model.audio_encoder, rate=0.5, rate_decay=0.1)
    model = dataclasses.replace(heard.config.model, audio_encoder=encoder)
    config = dataclasses.replace(heard.config, model=model)
    built = build_model(config, read_symbols(config, heard.data))
    assert built.pretrained is not None
    groups = optimisation(built, config.training)["optimizer"].param_groups
    rates = {weight: group["initial_lr"] / config.training.peak_rate for group in groups for weight in group["params"]}
    assert len(rates) == len(list(built.parameters()))
    assert groups[0]["initial_lr"] == config.training.peak_rate
    expected = [
        *((block, 0.5 * 0.1**number) for number, block in enumerate(reversed(built.pretrained.blocks()))),
        (built.pretrained.model.encoder.layer_norm, 0.5),
        (built.full_context_encoder, 1.0),
    ]
    for part, share in expected:
        assert [rates[weight] for weight in part.parameters()] == pytest.approx([share] * len(list(part.parameters())))
    assert len(list(rate_shares(built.pretrained, encoder))) == len(list(built.pretrained.parameters()))


def test_waveforms_have_no_bins_to_mask(heard: Context) -> None:
    masks = SpecAugmentConfig(frequency_masks=5, frequency_width=300, time_masks=0)
    training = dataclasses.replace(heard.config.training, spec_augment=masks)
    config = dataclasses.replace(heard.config, training=training)
    symbols = read_symbols(config, heard.data)
    paired, _ = read_training_sets(config, heard.data, symbols)
    batch = JointBatch(paired=paired.paired_batch([0, 1]), transcripts=None, unpaired=None)
    masked = JointModule(build_model(config, symbols), config)._augment(batch)
    assert torch.equal(masked.paired.features, batch.paired.features)


def test_what_starts_a_new_training_and_what_does_not(heard: Context) -> None:
    def hashed(use: str, **changed: Any) -> dict[str, Any]:
        encoder = dataclasses.replace(heard.config.model.audio_encoder, use=use, **changed)  # type: ignore[arg-type]
        model = dataclasses.replace(heard.config.model, audio_encoder=encoder)
        return settings_of(dataclasses.replace(heard.config, model=model), ("model", "model.audio_encoder"))

    assert hashed("frozen") == hashed("frozen", rate=0.5, rate_decay=0.5, recompute=True)
    assert hashed("fine_tuned") == hashed("fine_tuned", recompute=True)
    for changed in ({"rate": 0.5}, {"rate_decay": 0.5}):
        one, other = hashed("fine_tuned"), hashed("fine_tuned", **changed)
        assert one["model"] != other["model"]
        assert one["model.audio_encoder"] == other["model.audio_encoder"]  # the features stay


@pytest.mark.parametrize("use", ["fine_tuned", "frozen"])
def test_a_causal_encoder_streams(use: str, toy: Context) -> None:
    context = with_encoder(toy, "nemotron", use=use)
    make_features(context)
    run(context)
    recogniser = Recogniser.load(export(context).where, decoder="streaming")
    samples = (0.1 * np.random.default_rng(6).standard_normal(16000 * 2)).astype(np.float32)
    front = recogniser.trained.front_end.online()
    pieces = [front.accept(piece) for piece in np.split(samples, [100, 5000, 5001, 20000])]
    rows = torch.cat([*pieces, front.finish()])
    whole = recogniser.trained.front_end([torch.from_numpy(samples)])[0]
    torch.testing.assert_close(rows, whole, atol=1e-4, rtol=1e-4)
    model = recogniser.trained.model
    with torch.inference_mode():
        encoded = model.encode_speech(whole[None], torch.tensor([len(whole)])).streaming
        state, found = model.initial_state(1, recogniser.trained.device), []
        step = model.chunk * model.config.rows_per_position
        for start in range(0, len(whole), step):
            piece, state = model.forward_chunk(whole[None, start : start + step], state)
            found.append(piece)
    torch.testing.assert_close(torch.cat(found, 1), encoded, atol=1e-4, rtol=1e-4)
    stream = recogniser.stream()
    stream.accept(samples)
    stream.finish()


# (settings of the encoder, of the model, of the features, what is said)
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "rate": ({"rate": 0.0}, {}, {}, "rate: is 0.0"),
    "rate_decay": ({"rate_decay": 1.5}, {}, {}, "rate_decay: is 1.5"),
    "subsampling": (
        {"kind": "nemotron"},
        {"subsampling": 4},
        {},
        "positions of 40 ms .*nemotron has a state for each 80",
    ),
    "bins": ({"kind": "w2v_bert"}, {}, {"mel_bins": 40}, "features.mel_bins: is 40 .*w2v_bert was trained on 80"),
    "hop": ({"kind": "w2v_bert"}, {}, {"hop": 12.5}, "features.hop: is 12.5"),
    "rate of audio": ({"kind": "wavlm"}, {}, {"sampling_rate": 8000}, "features.sampling_rate: is 8000"),
}


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_cannot_work(case: str, toy: Context) -> None:
    encoder, model, features, said = WRONG[case]
    settings = {"kind": "hubert", "source": "hub", "dim": 16, "use": "fine_tuned", **encoder}
    with pytest.raises(ConfigError, match=said):
        Config(
            data=toy.config.data,
            features=FeatureConfig(**features),
            model=dataclasses.replace(toy.config.model, audio_encoder=AudioEncoderConfig(**settings), **model),
        )

"""Each kind of pretrained encoders that the library transformers has, over tiny random weights in the hub's layout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pretrained.tiny import MODELS, write_model
from safetensors.torch import load_file, save_file

from jointst.common.errors import DataError, EnvironmentFault
from jointst.config import FeatureConfig
from jointst.kaldi.log_mel import log_mel
from jointst.pretrained import hub_encoder
from jointst.pretrained.encoder import WAVEFORM_ROW, PretrainedEncoder
from jointst.pretrained.nemotron import MelStream, NemotronEncoder, nemotron_mel
from jointst.pretrained.registry import open_encoder
from jointst.pretrained.w2v_bert import normalised

pytest.importorskip("transformers")

LENGTHS = (37, 12, 3, 1)


@pytest.fixture(params=MODELS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, PretrainedEncoder]:
    library = write_model(tmp_path, request.param)
    return library, open_encoder(MODELS[request.param][0], tmp_path)


def _features(encoder: PretrainedEncoder, lengths: tuple[int, ...] = LENGTHS) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(2)
    width = WAVEFORM_ROW if encoder.features == "waveform" else 80
    scale = 0.1 if encoder.features == "waveform" else 3.0
    return scale * torch.randn(len(lengths), max(lengths), width), torch.tensor(lengths)


def test_padding_and_batch_mates_change_nothing(opened: tuple[Any, PretrainedEncoder]) -> None:
    _, encoder = opened
    features, lengths = _features(encoder)
    states, found = encoder(features, lengths)
    assert found.tolist() == encoder.state_lengths(lengths).tolist()
    expected = [-(-length // encoder.frames_per_state) for length in LENGTHS]
    assert found.tolist() == expected
    assert states.shape == (len(LENGTHS), max(expected), encoder.dim)
    for row, length in enumerate(LENGTHS):
        alone, _ = encoder(features[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(states[row, : expected[row]], alone[0], atol=2e-5, rtol=1e-4)


def test_gradients_reach_all_blocks(opened: tuple[Any, PretrainedEncoder]) -> None:
    _, encoder = opened
    features, lengths = _features(encoder)
    states, found = encoder.train()(features, lengths)
    valid = torch.arange(states.shape[1]) < found[:, None]
    (states * torch.randn_like(states))[valid].sum().backward()
    for number, block in enumerate(encoder.blocks()):
        norms = [float(weight.grad.norm()) for weight in block.parameters() if weight.grad is not None]
        assert max(norms, default=0.0) > 0, f"block {number}"
    gradients = [weight.grad for weight in encoder.parameters() if weight.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def _body(library: Any) -> Any:
    """The encoder in the library's module."""
    for name in ("wav2vec2_bert", "wav2vec2", "hubert", "wavlm", "encoder"):
        inner = getattr(library, name, None)
        if inner is not None and (name != "encoder" or "RNNT" in type(library).__name__):
            return inner
    return library


def test_is_what_the_library_computes(opened: tuple[Any, PretrainedEncoder]) -> None:
    library, encoder = opened
    body = _body(library)
    if encoder.kind == "w2v_bert":
        features, lengths = _features(encoder, (24,))
        x = features[0]
        x = (x - x.mean(0)) / (x.var(0, correction=1) + 1e-7).sqrt()
        body.adapter = None
        theirs = body(x.reshape(1, 12, 160)).last_hidden_state
    elif encoder.kind == "nemotron":
        features, lengths = _features(encoder, (48,))
        theirs = body(features, torch.ones(1, 48), num_lookahead_tokens=1).last_hidden_state[:, :6]
    else:
        features, lengths = _features(encoder, (30,))
        samples = features.flatten(1)
        samples = (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()
        samples = torch.nn.functional.pad(samples, (0, 80))  # ours has one state more
        theirs = body(samples).last_hidden_state
    ours, _ = encoder(features, lengths)
    group = getattr(encoder.config, "feat_extract_norm", "") == "group"  # type: ignore[attr-defined]
    tolerance = 2e-2 if group else 2e-4  # it takes means over those 80 samples too
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)


def test_streams_exactly(tmp_path: Path) -> None:
    write_model(tmp_path, "nemotron")
    encoder = open_encoder("nemotron", tmp_path)
    assert isinstance(encoder, NemotronEncoder)
    for chunk in (2, 4, 1):
        encoder.use_chunk(chunk)
        features, _ = _features(encoder, (75, 75))
        whole, lengths = encoder(features, torch.tensor([75, 75]))
        state, pieces = encoder.initial_state(2, features.device), []
        shapes = [tensor.shape for tensor in (*state.convolutions, *state.keys, *state.values)]
        for start in range(0, 75, 8 * chunk):
            piece, state = encoder.forward_chunk(features[:, start : start + 8 * chunk], state)
            pieces.append(piece)
            if start + 8 * chunk <= 75:
                assert [tensor.shape for tensor in (*state.convolutions, *state.keys, *state.values)] == shapes
        torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-5, rtol=1e-4)
        assert lengths.tolist() == [10, 10]


def test_w2v_bert_reads_our_own_features() -> None:
    from transformers import SeamlessM4TFeatureExtractor

    torch.manual_seed(3)
    waveform = 0.1 * torch.randn(16000)
    frames = log_mel(waveform, FeatureConfig())
    ours = normalised(frames[None], torch.tensor([len(frames)])).reshape(-1, 160)
    extractor = SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80)
    theirs = extractor(waveform.numpy(), sampling_rate=16000, return_tensors="pt")["input_features"][0]
    torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=1e-3)


def test_nemotron_features_are_the_librarys_and_stream(tmp_path: Path) -> None:
    from transformers import NemotronAsrStreamingFeatureExtractor

    torch.manual_seed(3)
    waveform = 0.1 * torch.randn(16123)
    ours = nemotron_mel(waveform, 80)
    theirs = NemotronAsrStreamingFeatureExtractor()(waveform.numpy(), sampling_rate=16000, return_tensors="pt")
    assert len(ours) == (16123 - 200) // 160 + 1
    torch.testing.assert_close(ours, theirs["input_features"][0, : len(ours)], atol=2e-3, rtol=1e-3)
    stream = MelStream(80)
    pieces = [stream.accept(piece) for piece in waveform.split(777)]
    torch.testing.assert_close(torch.cat(pieces), ours)
    assert len(nemotron_mel(waveform[:199], 80)) == 0
    assert len(nemotron_mel(waveform[:0], 80)) == 0


def _edit_config(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def _edit_weights(folder: Path, name: str, weight: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    del state[name]
    save_file(state if weight is None else {**state, name: weight}, path)


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


LAYER = "encoder.layers.1.final_layer_norm.weight"
# (model, what is done to its folder, opened as, what is said)
BAD = {
    "another kind": ("hubert", lambda folder: None, "wav2vec2", "is a model of the kind 'hubert', not wav2vec2"),
    "a text model": ("hubert", lambda f: _edit_config(f, model_type="bert"), "hubert", "kind 'bert', not hubert"),
    "no kind": ("hubert", lambda f: _edit_config(f, model_type=None), "hubert", "does not say what kind"),
    "pickle": ("wavlm", _pickled, "wavlm", "pytorch_model.bin, a pickle"),
    "cut short": ("wavlm", _cut, "wavlm", "no whole file of safetensors"),
    "shape": (
        "hubert",
        lambda f: _edit_weights(f, LAYER, torch.zeros(5)),
        "hubert",
        r"final_layer_norm.weight has the shape \(5,\), by the sizes of the model it is \(16,\)",
    ),
    "missing": ("hubert", lambda f: _edit_weights(f, LAYER, None), "hubert", f"lacks the weight {LAYER}"),
    "not finite": (
        "hubert",
        lambda f: _edit_weights(f, LAYER, torch.full((16,), float("nan"))),
        "hubert",
        "values that are not finite",
    ),
    "heads": ("hubert", lambda f: _edit_config(f, num_attention_heads=3), "hubert", "no hubert encoder"),
    "words for numbers": ("hubert", lambda f: _edit_config(f, hidden_size="wide"), "hubert", "no hubert encoder"),
    "layers without weights": ("hubert", lambda f: _edit_config(f, num_hidden_layers=3), "hubert", "lacks the weight"),
    "layers beyond memory": ("hubert", lambda f: _edit_config(f, num_hidden_layers=10**9), "hubert", "layers"),
    "stride": (
        "wav2vec2, group",
        lambda f: _edit_config(f, conv_stride=[5, 2, 2, 2, 2, 2, 4]),
        "wav2vec2",
        "a state for each 640 samples, not for each 320",
    ),
    "stacked": (
        "w2v_bert",
        lambda f: _edit_config(f, feature_projection_input_dim=240),
        "w2v_bert",
        "reads 240 values for each state",
    ),
    "positions": (
        "w2v_bert",
        lambda f: _edit_config(f, position_embeddings_type="rotary"),
        "w2v_bert",
        "positions of the kind rotary",
    ),
    "subsampling": (
        "nemotron",
        lambda f: _edit_config(f, subsampling_factor=4),
        "nemotron",
        "subsamples by 4",
    ),
    "batch norm": ("hubert", lambda f: _edit_config(f, conv_pos_batch_norm=True), "hubert", "depend on batch mates"),
    "rate": (
        "hubert",
        lambda f: (f / "preprocessor_config.json").write_text('{"sampling_rate": 8000}'),
        "hubert",
        "hears at 8000 hertz",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders(case: str, tmp_path: Path) -> None:
    name, damage, kind, said = BAD[case]
    write_model(tmp_path, name)
    damage(tmp_path)
    with pytest.raises(DataError, match=said) as caught:
        open_encoder(kind, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_before_torch_renamed_its_weight_norm(tmp_path: Path) -> None:
    write_model(tmp_path, "wav2vec2, group")
    encoder = open_encoder("wav2vec2", tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        name = next(key for key in state if key.endswith(new))
        state[name.replace(f"parametrizations.weight.{new}", old)] = state.pop(name)
    save_file(state, tmp_path / "model.safetensors")
    again = open_encoder("wav2vec2", tmp_path)
    features, lengths = _features(encoder)
    assert torch.equal(encoder(features, lengths)[0], again(features, lengths)[0])


def test_adapters_of_mms(tmp_path: Path) -> None:
    library = write_model(tmp_path, "mms")
    plain = open_encoder("wav2vec2", tmp_path)
    adapters = {name: weight.detach() + 0.5 for name, weight in library._get_adapters().items()}
    save_file(adapters, tmp_path / "adapter.rus.safetensors")
    adapted = open_encoder("wav2vec2", tmp_path)
    features, lengths = _features(plain)
    assert not torch.allclose(plain(features, lengths)[0], adapted(features, lengths)[0])
    save_file(adapters, tmp_path / "adapter.eng.safetensors")
    with pytest.raises(DataError, match=r"adapters of 2 languages: adapter.eng.safetensors adapter.rus"):
        open_encoder("wav2vec2", tmp_path)


def test_says_whether_waveforms_are_normalised(tmp_path: Path) -> None:
    write_model(tmp_path, "wavlm")
    normalising = open_encoder("wavlm", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    plain = open_encoder("wavlm", tmp_path)
    features, lengths = _features(plain)
    quiet, loud = ([encoder(scale * features, lengths)[0] for encoder in (normalising, plain)] for scale in (1.0, 3.0))
    torch.testing.assert_close(quiet[0], loud[0], atol=1e-3, rtol=1e-3)
    assert not torch.allclose(quiet[1], loud[1], atol=1e-3, rtol=1e-3)


def test_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentFault, match=r"hubert needs the package transformers, 99 or later: it is 5"):
        hub_encoder.transformers_for("hubert", "99")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EnvironmentFault, match=r"hubert needs the package transformers, 5.20 .*--extra pretrained"):
        hub_encoder.transformers_for("hubert", "5.20")

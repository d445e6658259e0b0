"""``jointst pseudo_label``: a set of what the model is sure of, from speech without transcripts."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file

from jointst.common.errors import ConfigError, DataError
from jointst.config import DataConfig, PseudoLabelConfig
from jointst.config.context import Context
from jointst.decoding import pseudo_label
from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.pseudo_label import Guess, confidence_of, run
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table, write_table
from jointst.models.build import digest_symbols


@pytest.fixture
def speech(toy: Context) -> Context:
    """The toy experiment with a talkative model and speech that nobody has transcribed."""
    weights = toy.exp / "model.safetensors"
    state = load_file(weights)
    for decoder in ("streaming_decoder", "full_context_decoder"):
        state[f"{decoder}.joiner.output.weight"] *= 8
        state[f"{decoder}.joiner.project_encoder.weight"] *= 4
        state[f"{decoder}.joiner.output.bias"][0] = 1.0
    save_file(state, str(weights), {"symbols": digest_symbols(toy.data)})
    generator = np.random.default_rng(0)
    folder = toy.data / "t_speech"
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "utt2spk": {}, "utt2lang": {}}
    for i in range(4):
        utterance, path = f"en_x-{i}", Path(f"{i}.wav")
        soundfile.write(path, 0.1 * generator.standard_normal(4000 + 1000 * i), 16000)
        for file, value in (("wav.scp", str(path)), ("utt2spk", "en_x"), ("utt2lang", "en")):
            tables[file][utterance] = value
    for file, table in tables.items():
        write_table(folder / file, table)
    return _settings(toy, threshold=0.0)


def _settings(toy: Context, *, threshold: float) -> Context:
    pseudo = PseudoLabelConfig(sets=("t_speech",), threshold=threshold)
    return dataclasses.replace(toy, config=dataclasses.replace(toy.config, pseudo_label=pseudo))


def test_what_passes_is_a_data_directory(speech: Context) -> None:
    run(speech)
    everything = DataDirectory.read(speech.data / "t_speech_pseudo")
    confidence = {key: float(value) for key, value in read_table(everything.path / "confidence").items()}
    assert everything.text.keys() == confidence.keys() == everything.wav_scp.keys() == everything.utt2spk.keys()
    assert all(everything.text.values())
    ordered = sorted(confidence.values())
    threshold = (ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2
    run(_settings(speech, threshold=threshold))
    kept = DataDirectory.read(speech.data / "t_speech_pseudo")
    assert kept.text == {key: everything.text[key] for key in everything.text if confidence[key] >= threshold}
    assert 0 < len(kept.text) < len(everything.text)
    record = json.loads((speech.exp / "pseudo_label/t_speech.json").read_text())
    assert record["kept"] == len(kept.text)
    assert record["error_rate_of_kept"] is None  # nobody knows
    for share in (0.25, 0.5, 0.75):
        told = run(_settings(speech, threshold=record["thresholds"][f"{share:.0%}"])).what
        assert told.startswith(f"{round(4 * share)} of 4 utterances of t_speech kept (a threshold keeps 25% at ")


def test_known_transcripts_are_only_compared_with(speech: Context) -> None:
    run(speech)
    found = DataDirectory.read(speech.data / "t_speech_pseudo").text
    truth = dict.fromkeys(read_table(speech.data / "t_speech/wav.scp"), "open the door") | found
    truth[sorted(found)[0]] = "not this"
    write_table(speech.data / "t_speech/text", truth)
    run(speech)
    assert DataDirectory.read(speech.data / "t_speech_pseudo").text == found
    record = json.loads((speech.exp / "pseudo_label/t_speech.json").read_text())
    assert 0 < record["error_rate_of_kept"] < 1


def test_faults_are_named(speech: Context) -> None:
    with pytest.raises(DataError, match=r"no utterance of 4 is at least 1 sure.*lower pseudo_label\.threshold"):
        run(_settings(speech, threshold=1.0))
    (speech.data / "t_speech/utt2lang").write_text("en_x-0 en\n")
    with pytest.raises(DataError, match="is not in utt2lang"):
        run(speech)
    empty = dataclasses.replace(speech.config, pseudo_label=PseudoLabelConfig())
    with pytest.raises(ConfigError, match="is empty"):
        run(dataclasses.replace(speech, config=empty))
    with pytest.raises(ConfigError, match="also a dev or test set: b"):
        DataConfig(pseudo=("b",), dev=("b",))
    with pytest.raises(ConfigError, match="also under train"):
        DataConfig(train=("a",), pseudo=("a",))


def test_confidence_is_a_geometric_mean() -> None:
    labels = Hypothesis(labels=[3, 4], positions=[0, 1], log_probs=[math.log(0.9), math.log(0.4)])
    assert confidence_of(labels) == pytest.approx(0.6)
    assert confidence_of(Hypothesis()) == 0.0


def test_no_threshold_is_told_for_what_was_not_heard(speech: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = {"a": Guess(text="one", confidence=0.9), "b": Guess(text="two", confidence=0.8)}
    nothing = {key: Guess(text="", confidence=0.95) for key in "cd"}  # labels that come to no word
    names = sorted(read_table(speech.data / "t_speech/wav.scp"))
    guesses = dict(zip(names, [*heard.values(), *nothing.values()], strict=True))
    monkeypatch.setattr(pseudo_label, "_transcribe", lambda *_: guesses)
    assert run(speech).what == "2 of 4 utterances of t_speech kept (a threshold keeps 25% at 0.9, 50% at 0.8)"

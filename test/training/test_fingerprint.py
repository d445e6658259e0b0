"""What a training depends on, and how one learns what has changed since it began."""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import Any

import pytest

from jointst.common.files import write_atomically
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.data import digests
from jointst.kaldi.directory import DataDirectory
from jointst.training.fingerprint import INPUTS, fingerprint, keep_inputs, what_changed


@pytest.fixture
def context(toy: Context) -> Context:
    """A toy experiment with unpaired text."""
    train = DataDirectory.read(toy.data / "t_train")
    path = toy.data / "t_unpaired"
    dataclasses.replace(train, path=path, utt2spk={}, feats_scp={}, utt2num_frames={}).write(path)
    data = dataclasses.replace(toy.config.data, unpaired=("t_unpaired",))
    return dataclasses.replace(toy, config=dataclasses.replace(toy.config, data=data))


@pytest.fixture
def begun(context: Context) -> Context:
    """The same, with what a training leaves as it begins."""
    write_atomically(context.exp / "config.yaml", to_yaml(context.config))
    keep_inputs(context)
    return context


def changed(context: Context, section: str, **changes: Any) -> Context:
    part = dataclasses.replace(getattr(context.config, section), **changes)
    return dataclasses.replace(context, config=dataclasses.replace(context.config, **{section: part}))


def test_nothing_changed_is_nothing_said(begun: Context) -> None:
    assert what_changed(begun) == ""
    assert what_changed(changed(begun, "training", max_updates=99)) == ""


def test_changed_settings_are_named_with_their_values(begun: Context) -> None:
    rate = begun.config.training.peak_rate
    assert what_changed(changed(begun, "training", peak_rate=0.5)) == f"training.peak_rate was {rate} and is 0.5"
    consistency = dataclasses.replace(begun.config.loss.consistency, stop_gradient="speech")
    assert what_changed(changed(begun, "loss", consistency=consistency)) == (
        'loss.consistency.stop_gradient was "none" and is "speech"'
    )
    said = what_changed(changed(begun, "training", peak_rate=0.5, seed=9, warmup_updates=1, weight_decay=0.5))
    assert said.endswith(", and 1 more")
    assert said.count(" was ") == 3
    silent = changed(begun, "data", text_only_languages=("it",))
    assert what_changed(silent) == 'data.text_only_languages was [] and is ["it"]'


def test_settings_that_nobody_changed_are_not_named(begun: Context) -> None:
    assert what_changed(changed(begun, "tokenizer", text_input="pieces")) == (
        'tokenizer.text_input was "phones" and is "pieces"'
    )
    band = begun.config.model.decoder.band
    decoder = dataclasses.replace(begun.config.model.decoder, band=0)
    assert what_changed(changed(begun, "model", decoder=decoder)) == f"model.decoder.band was {band} and is 0"
    assert what_changed(changed(begun, "model", size="small", dim=12)).startswith("model.size was ")


def test_data_that_have_moved_are_the_same_data(begun: Context) -> None:
    shutil.copytree(begun.data, "elsewhere")
    moved = changed(begun, "data", root="elsewhere")
    assert what_changed(moved) == ""
    (moved.data / "t_train/text").write_text("other text\n")
    assert what_changed(moved) == "elsewhere/t_train/text has changed"


def test_changed_files_are_named(begun: Context) -> None:
    text = begun.data / "t_unpaired/text"
    text.write_text(text.read_text() + "t-more anything\n")
    assert what_changed(begun) == f"{text} has changed"


@pytest.mark.parametrize("damage", ["{", "[]"])
def test_what_cannot_be_told_is_not_told(begun: Context, damage: str) -> None:
    text = begun.data / "t_unpaired/text"
    text.write_text(text.read_text() + "t-more anything\n")
    (begun.exp / INPUTS).write_text(damage)
    (begun.exp / "config.yaml").write_text("model: {kind: of another version}\n")
    assert what_changed(begun) == ""
    (begun.exp / INPUTS).unlink()
    (begun.exp / "config.yaml").unlink()
    assert what_changed(begun) == ""


def test_what_starts_a_new_training_and_what_does_not(context: Context) -> None:
    def marked(section: str, **changes: object) -> str:
        part = dataclasses.replace(getattr(context.config, section), **changes)
        return fingerprint(dataclasses.replace(context, config=dataclasses.replace(context.config, **{section: part})))

    now = fingerprint(context)
    assert marked("data", test=("t_test", "another")) == now
    assert marked("training", max_updates=99) == now
    assert marked("training", sharding="fsdp") == now
    assert marked("features", speed_perturbation=(0.9, 1.0)) != now
    assert marked("features", mel_bins=40) != now
    assert marked("tokenizer", text_input="pieces") != now
    decoder = context.config.model.decoder
    assert marked("model", decoder=dataclasses.replace(decoder, lattice_bytes=1000)) == now
    assert marked("model", decoder=dataclasses.replace(decoder, band=0)) != now
    assert marked("loss", exact_updates=7) != now


def test_large_files_are_not_read_for_each_training(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "LARGE", 1)
    monkeypatch.setattr(digests, "FRESH", -10.0)
    now = fingerprint(context)
    text = context.data / "t_unpaired/text"
    assert set(json.loads((text.parent / digests.MEMORY).read_text())) == {"text", "phones"}
    assert fingerprint(context) == now
    text.write_text(text.read_text().replace("open", "shut"))
    assert fingerprint(context) != now


def test_a_training_from_before_there_was_a_band_goes_on_without_one(context: Context) -> None:
    model, loss = context.config.model, context.config.loss
    exact = dataclasses.replace(model, decoder=dataclasses.replace(model.decoder, band=0))
    marks = [
        fingerprint(dataclasses.replace(context, config=dataclasses.replace(context.config, model=exact, loss=own)))
        for own in (loss, dataclasses.replace(loss, additive=0.1, exact_updates=7))
    ]
    assert marks[0] == marks[1]

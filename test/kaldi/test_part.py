"""A part of the paired speech: how much, the same for every seed, nested, at all speeds, and what is unheard then."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jointst.common.errors import ConfigError, DataError
from jointst.config import DataConfig
from jointst.config.context import Context
from jointst.export.pack import run as export
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.part import only, spoken_minutes, spoken_part
from jointst.models.build import read_symbols
from jointst.recipe.stages import STAGES
from jointst.scoring.score import run as score
from jointst.training.data import read_training_sets
from jointst.training.fingerprint import fingerprint


def with_minutes(context: Context, minutes: float, **features: object) -> Context:
    data = dataclasses.replace(context.config.data, paired_minutes=minutes)
    features_ = dataclasses.replace(context.config.features, **features)
    return dataclasses.replace(context, config=dataclasses.replace(context.config, data=data, features=features_))


def minutes_of(context: Context, part: frozenset[str] | None = None) -> float:
    directory = DataDirectory.read(context.data / "t_train")
    frames = directory.utt2num_frames
    return sum(frames[key] for key in (frames if part is None else part)) * context.config.row / 1000 / 60


def test_all_of_it_is_no_part(toy: Context) -> None:
    assert spoken_part(toy.config, toy.data) is None
    directories = [DataDirectory.read(toy.data / "t_train")]
    assert only(directories, None) == directories
    with pytest.raises(ConfigError, match=r"paired_minutes: is -1"):
        DataConfig(paired_minutes=-1)


def test_a_part_has_its_minutes_and_lies_in_a_larger_one(toy: Context) -> None:
    whole = minutes_of(toy)
    parts = {}
    for share in (0.25, 0.5, 0.75):
        part = spoken_part(with_minutes(toy, share * whole).config, toy.data)
        assert part is not None
        longest = max(DataDirectory.read(toy.data / "t_train").utt2num_frames.values()) * toy.config.row / 60_000
        assert share * whole <= minutes_of(toy, part) < share * whole + longest
        parts[share] = part
    assert parts[0.25] < parts[0.5] < parts[0.75]


def test_a_part_is_there_at_every_speed(toy: Context) -> None:
    minutes = minutes_of(toy) / 2
    plain = spoken_part(with_minutes(toy, minutes).config, toy.data)
    both = spoken_part(with_minutes(toy, minutes, speed_perturbation=(1.0, 0.9)).config, toy.data)
    assert plain is not None
    assert both == plain | {f"sp0.9-{key}" for key in plain}


def test_more_than_there_is_is_refused(toy: Context) -> None:
    with pytest.raises(DataError, match=r"t_train: .* minutes of speech in t_train, fewer than the 1000 asked for"):
        spoken_part(with_minutes(toy, 1000).config, toy.data)


def test_lengths_that_are_not_known_are_asked_for(toy: Context) -> None:
    (toy.data / "t_train/utt2num_frames").unlink()
    with pytest.raises(DataError, match=r"t_train/utt2num_frames: does not say how long .* \(run stage 4, features\)"):
        spoken_part(with_minutes(toy, 1).config, toy.data)


def test_the_part_is_of_languages_that_are_heard(toy: Context) -> None:
    minutes = minutes_of(toy) / 4
    less = with_minutes(toy, minutes)
    data = dataclasses.replace(less.config.data, text_only_languages=("ru",))
    config = dataclasses.replace(less.config, data=data)
    part = spoken_part(config, toy.data)
    assert part
    assert not any(key.startswith("ru") for key in part)
    assert minutes_of(toy, part) >= minutes
    assert spoken_minutes(config, toy.data) == pytest.approx(minutes_of(toy, part))
    assert spoken_minutes(toy.config, toy.data) == pytest.approx(minutes_of(toy))
    assert set(read_training_sets(config, toy.data, read_symbols(toy.config, toy.data))[0].utterances) == part


def test_another_part_makes_training_and_what_follows_run_again_and_nothing_before(toy: Context) -> None:
    less = with_minutes(toy, minutes_of(toy) / 2)
    differ = {stage.name for stage in STAGES if stage.digest(less) != stage.digest(toy)}
    assert {"train", "decode", "score"} <= differ
    assert not differ & {"corpus", "validate", "lexicon", "features", "tokenizer"}


def test_a_packed_model_knows_the_words_of_its_part(toy: Context) -> None:
    def words(context: Context) -> int:
        packed = export(context).where
        return sum(len(path.read_text().split()) for path in (packed / "lang").glob("words_*.txt"))

    assert 0 < words(with_minutes(toy, minutes_of(toy) / 4)) < words(toy)


def test_a_language_of_which_nothing_is_left_is_not_heard(toy: Context) -> None:
    hidden = dataclasses.replace(toy.config.data, text_only_languages=("ru",))
    score(dataclasses.replace(toy, config=dataclasses.replace(toy.config, data=hidden)))
    lines = map(json.loads, (toy.exp / "score/utterances.jsonl").read_text().splitlines())
    said = [line for line in lines if line["language"] == "ru"]
    assert said
    assert all(line["unheard_words"]["occurrences"] == line["words"]["length"] for line in said)


def test_training_hears_the_part_alone_and_is_another_training(toy: Context) -> None:
    less = with_minutes(toy, minutes_of(toy) / 2)
    symbols = read_symbols(toy.config, toy.data)
    part = spoken_part(less.config, toy.data)
    assert set(read_training_sets(less.config, toy.data, symbols)[0].utterances) == part
    assert len(read_training_sets(toy.config, toy.data, symbols)[0].utterances) > len(part or ())
    assert fingerprint(less) != fingerprint(toy)


def test_words_outside_the_part_are_words_never_heard(toy: Context) -> None:
    def unheard(context: Context) -> int:
        score(context)
        found = json.loads((context.exp / "score/scores.json").read_text())["sets"].values()
        return sum(item["decoders"]["full_context"]["unheard_words"]["occurrences"] for item in found)

    assert unheard(with_minutes(toy, minutes_of(toy) / 2)) > unheard(toy)

"""Settings: unknown keys, impossible values with their path, presets, the way to YAML and back."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path

import pytest

import jointst.config
from jointst.common.errors import ConfigError, JointstError
from jointst.config import PRESETS, Config, LossConfig, ModelConfig
from jointst.config import load as load_config
from jointst.config.load import from_yaml, parse, to_yaml


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "conf.yaml"
    path.write_text(text, encoding="utf-8")
    return from_yaml(path)


def test_differences_are_laid_over_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, "loss:\n  consistency:\n    weight: 0.3\ncorpus:\n  languages: [ru, en]\n")
    assert config.loss.consistency.weight == 0.3
    assert config.corpus.languages == ("ru", "en")
    plain = parse("train", "", []).config
    assert dataclasses.replace(config, loss=plain.loss, corpus=plain.corpus) == plain


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("training:\n  max_updates:\n", "training.max_updates: has no value"),
        ("data:\n  train: null\n", "data.train: has no value"),
        ("modle:\n  dim: 64\n", "modle"),
        ("model:\n  dmi: 64\n", "dmi"),
        ("loss:\n  consistency:\n    wieght: 1\n", "wieght"),
        ("model:\n  dim: wide\n", "wide"),
        ("model:\n  subsampling: 3\n", "subsampling"),
        ("model: [\n", "conf.yaml:2: is not YAML"),
    ],
)
def test_unknown_keys_and_wrong_types_are_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(JointstError, match=named):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("corpus.mini.test_utterances", "0"),
        ("corpus.languages", "[en, xx]"),
        ("corpus.transcriber_marks", "['[']"),
        ("corpus.transcriber_marks", "['x*']"),
        ("data.train", "[]"),
        ("data.train", "[mini_dev]"),
        ("features.hop", "30"),
        ("features.floor", "0"),
        ("features.high_frequency", "8001"),
        ("features.high_frequency", "-7990"),
        ("features.speed_perturbation", "[0.9]"),
        ("features.max_failures", "1"),
        ("tokenizer.vocabulary_size", "2"),
        ("model.dim", "132"),
        ("model.kernel_size", "4"),
        ("model.kernel_size", "-1"),
        ("model.feed_forward_multiplier", "0"),
        ("model.text_encoder.upsampling", "durations"),
        ("training.seed", "-1"),
        ("model.dropout", "1"),
        ("model.text_encoder.mask_share", "1.5"),
        ("model.decoder.context", "0"),
        ("loss.streaming", "1.1"),
        ("loss.ctc_only_updates", "-1"),
        ("loss.consistency.layers", "[0, 5]"),
        ("loss.consistency.layers", "[1, 1]"),
        ("loss.consistency.layer_weights", "[1, 2]"),
        ("loss.consistency.layer_weights", "[0, 0, 0, 0, 0]"),
        ("loss.consistency.soft_gradient", "through"),
        ("loss.consistency.options.band", "0"),
        ("loss.consistency.options.gamma", "0"),
        ("training.speech_batch.max_utterances", "0"),
        ("training.speech_batch.max_seconds", "-1"),
        ("training.workers", "-1"),
        ("training.spec_augment.time_share", "1"),
        ("training.silence", "-1"),
        ("training.max_time", "0"),
        ("align.utterances", "1"),
        ("export.labels_per_position", "0"),
        ("export.shift", ".nan"),
    ],
)
def test_impossible_values_are_refused_with_their_path(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse("train", "", [f"--{key}", value])
    assert raised.value.key == key
    assert str(raised.value).startswith(f"{key}: ")


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError) as raised:
        parse("train", "", ["--loss.consistency.weight", "1", "--loss.consistency.start_update", "10"])
    assert raised.value.key == "loss.consistency.start_update"
    assert "collapse" in str(raised.value)


def test_an_option_of_another_alignment_is_refused() -> None:
    arguments = ["--loss.consistency.alignment", "soft_dtw", "--loss.consistency.options.temperature", "1"]
    with pytest.raises(ConfigError, match="temperature: is set, and soft_dtw has no such option"):
        parse("train", "", arguments)


def test_a_preset_fills_what_is_not_stated() -> None:
    small = parse("train", "", ["--model.size", "small", "--model.heads", "8"]).config.model
    assert (small.dim, small.heads, small.text_encoder.layers) == (256, 8, 2)
    assert small.text_encoder.mask_span == ModelConfig().text_encoder.mask_span


def test_a_preset_in_yaml_loses_against_stated_fields(tmp_path: Path) -> None:
    model = read(tmp_path, "model:\n  size: joist\n  dim: 256\n  decoder:\n    joint_dim: 64\n").model
    assert (model.dim, model.full_context_dim, model.decoder.joint_dim, model.decoder.embedding_dim) == (
        256, 640, 64, 320,
    )  # fmt: skip


def test_nothing_stays_of_an_earlier_command_line() -> None:
    """A process makes the parser once, for it takes longer than all else of reading settings."""
    lines = [
        ["--model.size", "small"],
        [],
        ["--model.size", "joist", "--model.dim", "64", "--nj", "7"],
        ["--model.dim", "32"],
        ["--model.size", "tiny", "--model.text_encoder.layers", "3"],
    ]
    expected = []
    for line in lines:
        load_config._parser.cache_clear()
        expected.append(parse("train", "", line))
    assert [parse("train", "", line) for line in lines[::-1]] == expected[::-1]
    with pytest.raises(JointstError):
        parse("train", "", ["--model.size", "joist", "--model.dim", "wide"])
    assert [parse("train", "", line) for line in lines] == expected
    assert load_config._parser.cache_info().misses == 1


@pytest.mark.parametrize("size", sorted(PRESETS))
def test_written_settings_read_back_the_same(tmp_path: Path, size: str) -> None:
    arguments = ["--model.size", size, "--training.max_time", "12.5", "--loss.consistency.layers", "[1, 2]"]
    config = parse("train", "", arguments).config
    assert read(tmp_path, to_yaml(config)) == config


def test_an_experiment_is_named_after_its_file(tmp_path: Path) -> None:
    path = tmp_path / "best_layers.yaml"
    path.write_text("{}\n")
    context = parse("train", "", ["--conf", str(path), "--nj", "3", "--ngpu", "1", "--force"])
    assert (context.name, context.nj, context.ngpu, context.force) == ("best_layers", 3, 1, True)
    assert parse("train", "", []).name == "default"


def test_of_several_files_a_later_one_wins_and_names_the_experiment(tmp_path: Path) -> None:
    first, second = tmp_path / "train.yaml", tmp_path / "joist.yaml"
    first.write_text("loss: {text: 0.7, consistency: {start_update: 900}}\n")
    second.write_text("loss: {consistency: {weight: 0}}\n")
    context = parse("train", "", ["--conf", str(first), f"--conf={second}", "--training.seed", "3"])
    assert (context.config.loss.text, context.config.training.seed) == (0.7, 3)
    assert (context.config.loss.consistency.start_update, context.config.loss.consistency.weight) == (900, 0)
    assert context.name == "joist"
    assert parse("train", "", ["--conf", str(first), "--name", "compare/a/b"]).exp == Path("exp/compare/a/b")
    second.write_text("loss: {consistency: {wieght: 0}}\n")
    with pytest.raises(JointstError, match=r"joist\.yaml:1: loss\.consistency\.wieght"):
        parse("train", "", ["--conf", str(first), "--conf", str(second)])


@pytest.mark.parametrize("name", ["", "/tmp/x", "../x", "a/../../x"])
def test_an_experiment_stays_in_its_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        parse("train", "", ["--name", name])


def test_layers_are_counted_from_both_ends() -> None:
    assert parse("train", "", ["--loss.consistency.layers", "[-1, 0]"]).config.loss.consistency.layers == (-1, 0)
    for layers, problem in (("[-6]", "-6 of 5"), ("[5]", "5 of 5"), ("[4, -1]", "repeats a layer")):
        with pytest.raises(ConfigError, match=problem):
            parse("train", "", ["--loss.consistency.layers", layers])


def test_every_setting_is_frozen_keyword_only_and_explained() -> None:
    folder = Path(jointst.config.__file__).parent
    source = "".join(path.read_text() for path in sorted(folder.glob("*.py")))
    seen: set[type] = set()

    def visit(cls: type) -> None:
        if cls in seen:
            return
        seen.add(cls)
        assert cls.__dataclass_params__.frozen, cls  # type: ignore[attr-defined]
        for field in dataclasses.fields(cls):
            assert field.kw_only, f"{cls.__name__}.{field.name}"
            owner = next(base for base in cls.__mro__ if field.name in base.__dict__.get("__annotations__", {}))
            inside = re.split(rf"class {owner.__name__}[:(]", source)[1].split(f"\n    {field.name}: ")[1]
            assert inside.split("\n", 1)[1].lstrip().startswith('"""'), f"{cls.__name__}.{field.name}: no sentence"
            kind = typing.get_type_hints(cls)[field.name]
            if dataclasses.is_dataclass(kind):
                visit(typing.cast(type, kind))

    visit(Config)
    assert len(seen) > 10


def test_exact_updates_without_a_band_are_said_to_do_nothing() -> None:
    config = dataclasses.replace(Config(), loss=LossConfig(exact_updates=10))
    exact = dataclasses.replace(config.model, decoder=dataclasses.replace(config.model.decoder, band=0))
    said = ["exact_updates" in " ".join(each.idle()) for each in (config, dataclasses.replace(config, model=exact))]
    assert said == [False, True]

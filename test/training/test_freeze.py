"""Parts that are not trained: no change at all, until they thaw; names that are wrong; nothing left to train."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from jointst.common.errors import ConfigError
from jointst.config import BatchConfig, LossConfig, SpeechBatchConfig
from jointst.config.context import Context
from jointst.config.load import parse
from jointst.models.build import build_model, read_symbols
from jointst.training.train import run


@pytest.fixture
def context(toy: Context) -> Context:
    """A training of four updates."""
    training = dataclasses.replace(
        toy.config.training,
        max_updates=4,
        validate_every=4,
        weight_decay=0.5,
        speech_batch=SpeechBatchConfig(max_utterances=4),
        text_batch=BatchConfig(max_utterances=4),
    )
    config = dataclasses.replace(toy.config, training=training, loss=LossConfig(ctc_only_updates=0))
    return dataclasses.replace(toy, name="frozen", config=config)


def changed(context: Context, **training: object) -> Context:
    config = context.config
    return dataclasses.replace(
        context, config=dataclasses.replace(config, training=dataclasses.replace(config.training, **training))
    )


def moved(context: Context) -> set[str]:
    """The parts of the model whose weights training has changed."""
    torch.manual_seed(context.config.training.seed)
    fresh = build_model(context.config, read_symbols(context.config, context.data)).state_dict()
    trained = load_file(context.exp / "model.safetensors")
    return {name.split(".")[0] for name, part in fresh.items() if not torch.equal(part, trained[name])}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_frozen_parts_keep_every_bit(context: Context, accumulate: int) -> None:
    frozen = changed(context, freeze=("audio_encoder", "streaming_decoder"), accumulate=accumulate)
    run(frozen)
    assert moved(frozen) == {
        "subsampling", "text_encoder", "streaming_encoder", "widening", "full_context_encoder",
        "full_context_decoder", "ctc",
    }  # fmt: skip


@pytest.mark.parametrize("trained", [{"full_context_decoder"}, {"full_context_encoder"}, {"text_encoder"}, {"ctc"}])
def test_one_part_alone_is_trained(trained: set[str], context: Context) -> None:
    symbols = read_symbols(context.config, context.data)
    parts = [name for name, _ in build_model(context.config, symbols).named_children()]
    alone = changed(context, freeze=tuple(name for name in parts if name not in trained))
    run(alone)
    assert moved(alone) == trained


def test_frozen_parts_thaw(context: Context) -> None:
    run(changed(context, freeze=("audio_encoder", "text_encoder"), freeze_updates=4))
    assert not moved(context) & {"audio_encoder", "text_encoder"}
    thawed = changed(context, freeze=("audio_encoder", "text_encoder"), freeze_updates=3)
    run(thawed)
    assert {"audio_encoder", "text_encoder"} <= moved(thawed)


@pytest.mark.parametrize(
    ("freeze", "loss", "message"),
    [
        (("encoder",), {}, r"names 'encoder', no part .*audio_encoder text_encoder streaming_encoder"),
        (("audio_encoder.layers",), {}, r"names 'audio_encoder.layers', no part"),
        (("language",), {}, r"names 'language', no part"),
        (
            (
                "subsampling", "audio_encoder", "text_encoder", "streaming_encoder", "widening",
                "full_context_encoder", "streaming_decoder", "full_context_decoder", "ctc",
            ),
            {},
            r"names all parts",
        ),
        (
            ("subsampling", "audio_encoder", "ctc"),
            {"ctc_only_updates": 3},
            r"leaves nothing to train in the first 3 updates, of CTC alone .*ctc_only_updates 0",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_frozen(freeze: tuple[str, ...], loss: dict[str, int], message: str, context: Context) -> None:
    config = dataclasses.replace(context.config, loss=dataclasses.replace(context.config.loss, **loss))
    with pytest.raises(ConfigError, match=rf"training.freeze: {message}"):
        run(changed(dataclasses.replace(context, config=config), freeze=freeze))
    assert not context.exp.exists()


def test_a_loss_that_reaches_nothing_that_is_trained_is_said(context: Context) -> None:
    loss = LossConfig(ctc_only_updates=0, ctc=0.0, text=0.0)
    left = (
        "subsampling", "audio_encoder", "streaming_encoder", "widening", "full_context_encoder", "streaming_decoder",
        "full_context_decoder",
    )  # fmt: skip
    context = dataclasses.replace(context, config=dataclasses.replace(context.config, loss=loss))
    with pytest.raises(ConfigError, match="training.freeze: leaves nothing to train at update 0"):
        run(changed(context, freeze=left))


def test_settings_of_freezing(toy: Context) -> None:
    given = ["--training.freeze", "[audio_encoder,ctc]", "--training.freeze_updates", "9"]
    training = parse("train", "", given).config.training
    assert (training.freeze, training.freeze_updates) == (("audio_encoder", "ctc"), 9)
    with pytest.raises(ConfigError, match=r"training.freeze_updates: is 9, and training.freeze is empty"):
        parse("train", "", given[2:])
    with pytest.raises(ConfigError, match=r"training.start_from: is empty"):
        parse("train", "", ["--training.start_from", ""])
    [sentence] = parse("train", "", given).config.idle()
    assert "keeps audio_encoder ctc as drawn at random" in sentence
    own = ["--training.freeze", "[pretrained]", "--training.freeze_updates", "9"]  # it comes with its weights
    assert not parse("train", "", own).config.idle()

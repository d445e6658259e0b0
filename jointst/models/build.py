"""From settings and files to objects: symbol tables, a fresh model, a trained model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from jointst.common.devices import choose_device
from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.languages import LANGUAGES
from jointst.config import Config
from jointst.config.context import Context
from jointst.config.load import from_yaml
from jointst.data.symbols import Symbols
from jointst.models.joint import JointModel
from jointst.nn.language_embedding import rows_of_languages
from jointst.pretrained.front_end import FrontEnd, front_end
from jointst.pretrained.registry import encoder_class, open_encoder
from jointst.pretrained.source import encoder_folder
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import Tokenizer

MARK = "fingerprint"
"""Under what name weights and checkpoints hold the fingerprint of their training."""
ENCODER = "audio_encoder"
"""Folder in an experiment or a packed folder of what belongs to a pretrained encoder."""
TOKENIZER, PHONES = Path("tokenizer") / "tokenizer.model", Path("lang") / "phones.txt"
"""The symbol tables in the folder of the data."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model with all it needs to be used.

    Attributes:
        model: in evaluation mode, on ``device``.
        symbols: its symbol tables.
        config: the settings it was trained with.
        device: where it is.
        languages: ISO 639-1 codes of those it was trained for.
        audio_encoder: folder of its pretrained audio encoder, or of the form of one that is a part of the model, where
            that is not what the settings name.
    """

    model: JointModel
    symbols: Symbols
    config: Config
    device: torch.device
    languages: tuple[str, ...]
    audio_encoder: Path | None = None

    @cached_property
    def front_end(self) -> FrontEnd:
        """What turns samples into the model's input.

        Raises:
            DataError, EnvironmentFault: its pretrained audio encoder cannot be had or read.
        """
        settings, folder = self.config.model.audio_encoder, self.audio_encoder
        if settings.fine_tuned:
            return FrontEnd(self.config.features, self.model.pretrained, frozen=False)
        if folder is None and settings.pretrained is not None:
            folder = encoder_folder(settings, Path(self.config.corpus.downloads))
        return front_end(self.config.features, None if folder is None else (settings, folder), self.device)


def read_symbols(config: Config, data: Path) -> Symbols:
    """The symbol tables that stages 3 and 5 made."""
    return Symbols(
        tokenizer=Tokenizer.read(data / TOKENIZER),
        phones=PhoneTable.read(data / PHONES),
        text_input=config.tokenizer.text_input,
    )


def read_languages(config: Config, data: Path) -> tuple[str, ...]:
    """The languages that stage 3 made lexicons of; those of the settings where there are none."""
    codes = (path.stem.removeprefix("lexicon_") for path in (data / "lang").glob("lexicon_*.txt"))
    return tuple(sorted(code for code in codes if code in LANGUAGES)) or config.corpus.languages


def digest_symbols(data: Path) -> str:
    """A hash of the symbol tables: a model means nothing with others, even of the same size."""
    return digest_tables(data / TOKENIZER, data / PHONES)


def digest_tables(tokenizer: Path, phones: Path) -> str:
    """A hash of two symbol tables, wherever they are."""
    return hashlib.sha256(tokenizer.read_bytes() + phones.read_bytes()).hexdigest()


def about_tables(config: Config, data: Path) -> dict[str, str]:
    """What is kept with weights of the tables that their rows follow: a hash of the symbols, and the languages."""
    languages = {"languages": " ".join(rows_of_languages())} if config.model.language_embedding else {}
    return {"symbols": digest_symbols(data), **languages}


def keep_symbols(folder: Path, data: Path) -> None:
    """Keep the symbol tables with an experiment, where a packed folder has them: those of the data may be made anew."""
    for source, kept in ((TOKENIZER, folder / TOKENIZER.name), (PHONES, folder / PHONES)):
        write_atomically(kept, (data / source).read_bytes())


def digest_tokenizer(model: Path) -> str:
    """A hash of the tokenizer's file alone, what a language model depends on."""
    return hashlib.sha256(model.read_bytes()).hexdigest()


def build_model(config: Config, symbols: Symbols, audio_encoder: Path | None = None) -> JointModel:
    """A model with fresh weights, drawn from torch's random state.

    Args:
        config: all settings.
        symbols: the symbol tables.
        audio_encoder: folder that tells the form of a pretrained encoder which is a part of the model; None for the one
            that the settings name.

    Raises:
        DataError, EnvironmentFault: there is none, or it cannot be made.
    """
    settings, pretrained = config.model.audio_encoder, None
    if settings.fine_tuned:
        folder = audio_encoder or encoder_folder(settings, Path(config.corpus.downloads))
        pretrained = encoder_class(settings.kind).without_weights(folder).train()  # as the rest of a fresh model is
    return JointModel(
        config.model,
        mel_bins=config.input_width if pretrained is None else pretrained.row_width,
        vocabulary=symbols.tokenizer.size,
        symbols=symbols.input_size,
        pretrained=pretrained,
    )


def load_pretrained(model: JointModel, config: Config) -> None:
    """Give a pretrained encoder that is a part of a model the weights it was published with.

    Raises:
        DataError, EnvironmentFault: they cannot be had or read.
    """
    settings = config.model.audio_encoder
    if model.pretrained is not None:
        folder = encoder_folder(settings, Path(config.corpus.downloads))
        model.pretrained.load_state_dict(open_encoder(settings.kind, folder).state_dict())


def as_trained(config: Config, names: Iterable[str]) -> Config:
    """The settings of the model whose weights have these names: without a band where nothing finds one, as in packed
    models and in those trained before there was a band."""
    if any(".additive." in name for name in names):
        return config
    decoder = dataclasses.replace(config.model.decoder, band=0)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, decoder=decoder))


def load_statistics(model: JointModel, config: Config, data: Path) -> None:
    """Put the training set's feature statistics into the model.

    Raises:
        DataError: the statistics are missing.
    """
    if config.features.cmvn != "global" or model.pretrained is not None:
        return  # the latter normalises by itself, as it was trained
    path = data / "cmvn.npz"
    if not path.is_file():
        raise DataError("is missing", path=path, fix="run stage 4, features")
    with np.load(path) as statistics:
        model.normalisation.mean.copy_(torch.from_numpy(statistics["mean"]))
        model.normalisation.inverse_std.copy_(torch.from_numpy(statistics["inverse_std"]))


def load_trained(context: Context) -> Trained:
    """The model that the train stage of this experiment left.

    Raises:
        DataError: there is none, or it does not fit the symbol tables.
    """
    weights = context.exp / "model.safetensors"
    if not weights.is_file():
        raise DataError("is missing", path=weights, fix="run stage 6, train")
    config = from_yaml(context.exp / "config.yaml")
    symbols = read_symbols(config, context.data)
    try:
        with safe_open(weights, framework="pt") as stored:
            config = as_trained(config, stored.keys())
            model = build_model(config, symbols, form_of_encoder(context.exp))
            metadata = stored.metadata() or {}
            marked = context.exp / "fingerprint.txt"
            if MARK in metadata and marked.is_file() and marked.read_text() != metadata[MARK]:
                problem = "is of a training with other settings or data than config.yaml beside it tells of"
                raise DataError(problem, path=weights, fix="run stage 6, train, which makes them one")
            if metadata.get("symbols") != digest_symbols(context.data):
                raise DataError(
                    "was trained with other symbol tables than those of now",
                    path=weights,
                    fix="the lexicon or tokenizer was made anew: train again with --force",
                )
        model.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise DataError(
            f"does not fit the symbol tables or settings: {error}",
            path=weights,
            fix="the data were made anew: train again with --force",
        ) from None
    device = choose_device(context.ngpu)
    languages = read_languages(config, context.data)
    return Trained(
        model=model.to(device).eval(),
        symbols=symbols,
        config=config,
        device=device,
        languages=languages,
        audio_encoder=form_of_encoder(context.exp),
    )


def form_of_encoder(folder: Path) -> Path | None:
    """Where an experiment or a packed folder keeps the form of a pretrained encoder, or the whole of a frozen one."""
    return folder / ENCODER if (folder / ENCODER).is_dir() else None


def keep_form(folder: Path, model: JointModel) -> None:
    """Keep with an experiment the form of the pretrained encoder of its model, if it has one."""
    if model.pretrained is not None:
        write_atomically(folder / ENCODER / "config.json", json.dumps(model.pretrained.settings, indent=1) + "\n")


def describe(model: JointModel) -> str:
    """Parameters of each part, in JSON."""
    counts = {
        name: sum(parameter.numel() for parameter in child.parameters()) for name, child in model.named_children()
    }
    return json.dumps({**counts, "total": sum(counts.values())})

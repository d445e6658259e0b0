"""``jointst lm``: train the neural language model over labels, or go on with it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from safetensors.torch import save
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from jointst.common.devices import choose_device
from jointst.common.errors import CollapseError, DataError
from jointst.common.files import write_atomically
from jointst.common.threads import set_threads
from jointst.config import LmConfig
from jointst.config.context import Context, Made
from jointst.data.batch import LABEL_PADDING, pad_ids
from jointst.data.dataset import read_directories
from jointst.data.sampler import BucketSampler
from jointst.data.sequences import Sequences
from jointst.data.sizes import Sizes
from jointst.kaldi.directory import DataDirectory
from jointst.models.build import TOKENIZER, digest_tokenizer
from jointst.nn.language_model import LstmLanguageModel
from jointst.text.tokenizer import Tokenizer
from jointst.training.checkpoints import Checkpoints, average
from jointst.training.log import Log, Logged
from jointst.training.schedule import optimisation
from jointst.training.time_to_go import TimeToGo
from jointst.training.trainer import fit, make_trainer, take_up

Sentences = tuple[Tensor, Tensor]
"""Padded labels (B, U) and their lengths (B,)."""
MAY_CHANGE = ("max_updates", "validate_every", "keep_best")
"""Settings that a continued training may change; any other change starts anew."""


class _Batches(IterableDataset[Sentences]):
    """Batches of labels by index."""

    def __init__(self, labels: Sequences, batches: Callable[[], Iterator[list[int]]]) -> None:
        self._labels = labels
        self._batches = batches

    def __iter__(self) -> Iterator[Sentences]:
        for indices in self._batches():
            yield pad_ids([self._labels[i] for i in indices], LABEL_PADDING)


class SentenceData(LightningDataModule):
    """Batches of sentences by step, so that a continued training goes on with the very next one.

    Args:
        names: ids of the training sentences.
        training: their labels, (U,) each.
        dev: labels of the development sentences.
        config: bounds and seed.
    """

    def __init__(self, names: list[str], training: Sequences, dev: Sequences, config: LmConfig) -> None:
        super().__init__()
        self._training = training
        self._dev = dev
        self._config = config
        lengths = training.lengths
        sizes = Sizes(positions=lengths + 1, encoded=np.ones_like(lengths), labels=lengths)
        self._sampler = BucketSampler(names, sizes, config.batch, seed=config.seed)
        self.next_step = 0

    def train_dataloader(self) -> DataLoader[Sentences]:
        """The batches that are left to train on."""

        def batches() -> Iterator[list[int]]:
            for step in range(self.next_step, self._config.max_updates):
                yield self._sampler.batch(step).tolist()

        return DataLoader(_Batches(self._training, batches), batch_size=None)

    def val_dataloader(self) -> DataLoader[Sentences]:
        """The development sentences, in order of length."""
        order = sorted(range(len(self._dev)), key=lambda i: len(self._dev[i]))
        size = self._config.batch.max_utterances
        chunks = [order[first : first + size] for first in range(0, len(order), size)]
        return DataLoader(_Batches(self._dev, lambda: iter(chunks)), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        """How many batches are used up."""
        assert self.trainer is not None
        return {"next_step": self.trainer.global_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the batches that are used up."""
        self.next_step = state_dict["next_step"]


class LanguageModule(Logged):
    """The language model in training.

    Args:
        model: the model.
        config: its settings.
    """

    def __init__(self, model: LstmLanguageModel, config: LmConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self._latest: dict[str, float] = {}

    @property
    def latest(self) -> dict[str, float]:
        """The loss of the last update."""
        return self._latest

    def training_step(self, batch: Sentences, batch_idx: int) -> Tensor:
        """The loss of one batch, for each label; ends of sentences count as labels.

        Raises:
            CollapseError: the loss is not finite.
        """
        torch.manual_seed(self.config.seed * 1_000_003 + self.global_step)  # a continued run draws the same dropout
        labels, lengths = batch
        loss = self.model.loss(labels, lengths) / (lengths.sum() + len(lengths))
        self._latest = {"loss": float(loss.detach())}
        if not math.isfinite(self._latest["loss"]):
            raise CollapseError(f"update {self.global_step}: the loss is not finite; lower lm.peak_rate, run it again")
        return loss

    def validation_step(self, batch: Sentences, batch_idx: int) -> dict[str, float]:
        """The summed loss and the number of labels."""
        labels, lengths = batch
        return {"lm": float(self.model.loss(labels, lengths)), "labels": float(lengths.sum() + len(lengths))}

    def configure_optimizers(self) -> Any:
        """See :func:`jointst.training.schedule.optimisation`."""
        return optimisation(self.model, self.config)


def _read(context: Context, names: Sequence[str], tokenizer: Tokenizer) -> tuple[list[str], Sequences]:
    """Ids and labels of all sentences of some sets."""
    directories: list[DataDirectory] = read_directories(context.data, names)
    texts = [(utterance, directory.text[utterance]) for directory in directories for utterance in directory.utterances]
    labels = Sequences.of(tokenizer.encode(text) for _, text in texts)
    return [utterance for utterance, _ in texts], labels


def _fingerprint(config: LmConfig, tokenizer: str, training: Sequences) -> str:
    """A hash of everything that training depends on."""
    settings = {key: value for key, value in dataclasses.asdict(config).items() if key not in MAY_CHANGE}
    digest = hashlib.sha256(json.dumps([settings, tokenizer], sort_keys=True).encode())
    for labels in training:
        digest.update(str(labels.tolist()).encode())
    return digest.hexdigest()


def run(context: Context) -> Made:
    """Train ``lm/model.safetensors`` on the text of ``data.train`` and ``data.unpaired``, validated on ``data.dev``.

    ``lm/pieces.txt`` holds the same training text as label pieces, what an n-gram tool like ``lmplz`` reads.

    Raises:
        DataError: missing inputs, or a dev set without sentences.
    """
    config, folder, data = context.config.lm, context.exp / "lm", context.config.data
    set_threads(None)
    choose_device(context.ngpu)
    tokenizer = Tokenizer.read(context.data / "tokenizer" / "tokenizer.model")
    names, training = _read(context, (*data.train, *data.unpaired), tokenizer)
    _, dev = _read(context, data.dev, tokenizer)
    if not dev:
        raise DataError("the dev sets are empty")
    digest = digest_tokenizer(context.data / TOKENIZER)
    mark = _fingerprint(config, digest, training)
    resumed = take_up(folder, mark, context.force)
    pieces = (" ".join(tokenizer.pieces(labels.tolist())) + "\n" for labels in training)
    write_atomically(folder / "pieces.txt", "".join(pieces))
    torch.manual_seed(config.seed)
    model = LstmLanguageModel(tokenizer.size, config.dim, config.dropout)
    checkpoints = Checkpoints(folder / "checkpoints", config.keep_best, mark=mark)
    if resumed is None:
        checkpoints.forget()
    log = Log(folder, checkpoints, None, to_go=TimeToGo([("", 0)], config.max_updates, config.validate_every))
    trainer = make_trainer(
        log,
        ngpu=min(1, context.ngpu),  # too small a model to share out
        precision="32-true",
        max_updates=config.max_updates,
        validate_every=config.validate_every,
        gradient_clip=config.gradient_clip,
    )
    started = time.monotonic()
    fit(trainer, log, LanguageModule(model, config), SentenceData(names, training, dev, config), resumed)
    best = checkpoints.best()
    averaged = average([folder / "checkpoints" / entry["file"] for entry in best], mark)
    metadata = {"tokenizer": digest, "vocabulary": str(tokenizer.size), "dim": str(config.dim)}
    write_atomically(folder / "model.safetensors", save(averaged, metadata))
    minutes = (time.monotonic() - started) / 60
    perplexity = math.exp(best[0]["dev_loss"])
    what = f"language model, dev perplexity {perplexity:.2f} a label, {len(training)} sentences, {minutes:.1f} min"
    return Made(what=what, where=folder / "model.safetensors")

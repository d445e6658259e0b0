"""One update: augmentation, loss, logging, alarms."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from jointst.common.errors import CollapseError, ConfigError
from jointst.common.units import frames_within
from jointst.config import Config
from jointst.data.augmentation import silence_behind, spec_augment, utterance_means
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.losses.transducer import transducer_loss
from jointst.models.joint import JointModel
from jointst.models.objective import JointLoss, consistency_weight, joint_loss
from jointst.training.collapse import check_ratios, check_spreads, other_texts, spreads, true_to_mismatched
from jointst.training.compiling import uncompiled
from jointst.training.freeze import hold
from jointst.training.graphs import begin_update
from jointst.training.log import Logged
from jointst.training.readings import Reading, Readings
from jointst.training.schedule import optimisation
from jointst.training.unused import Unused

WATCH_EVERY = 50
"""Updates between looks at the states for a collapse."""
GRACE = 200
"""Updates that the transducer, and then the consistency loss, may train before its alarm is armed."""
LOOKS = 3
"""The alarm on ratios takes the least of so many looks: two transcripts of a batch may differ in a single word."""


class JointModule(Logged):
    """The joint model in training.

    Args:
        model: the model.
        config: all settings.
    """

    def __init__(self, model: JointModel, config: Config) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self._readings = Readings()
        self._latest: dict[str, float] = {}
        self._ratios: list[list[float]] = []
        if config.training.freeze_updates == 0:
            hold(model, config.training, 0)  # gradients of what is frozen for ever are not shared out
        self._unused = Unused([weight for weight in model.parameters() if weight.requires_grad])

    def forward(self, batch: JointBatch) -> tuple[Tensor, JointLoss]:
        """The loss of a batch, and what it is made of.

        Where processes share one model, its weights are whole from here on until the gradient of the first is known.
        """
        with self._drawn_chunk():
            loss = joint_loss(self.model, self._augment(batch), self.config.loss, self.global_step)
        return loss.total, loss

    def training_step(self, batch: JointBatch, batch_idx: int) -> Tensor:
        """The loss of one batch.

        Random numbers are a function of the seed and of the batch's number among those of all processes: a run that
        was killed and continued is the run that was not, and several draw what one that accumulates their batches does.

        Raises:
            CollapseError: the loss is not finite, or the states have collapsed; on a GPU an update or two later.
            ConfigError: all that the loss depends on is frozen.
        """
        training = self.config.training
        step = self.global_step * training.accumulate + batch_idx % training.accumulate
        number = step * self.trainer.world_size + self.global_rank if self._trainer is not None else step
        torch.manual_seed((training.seed * 1_000_003 + number) * 4096)
        hold(self.model, training, self.global_step)
        begin_update(self.model)
        total, loss = self(batch)
        if not total.requires_grad:
            problem = f"leaves nothing to train at update {self.global_step}"
            raise ConfigError("training.freeze", problem, "leave out a part that the losses depend on")
        values = {"loss": loss.total, **loss.parts}
        if (self.global_step + 1) % WATCH_EVERY == 0:
            values.update(self._states(loss, batch.transcripts))
        self._readings.add(self.global_step, values, _utterances(batch))
        self._read()
        if self._trainer is not None and isinstance(self.trainer.strategy.model, DistributedDataParallel):
            thawed = self.global_step >= training.freeze_updates
            total = self._unused.beside(total, (self.global_step < self.config.loss.ctc_only_updates, thawed))
        return cast("Tensor", total)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Leave the optimiser the weights that took part."""
        self._unused.forget()

    def on_validation_start(self) -> None:
        """See all that was trained before weights are judged and kept."""
        self._read(wait=True)

    def _read(self, *, wait: bool = False) -> None:
        for reading in self._readings.take(wait=wait):
            self._check_finite(reading)
            self._latest = reading.values
            self._watch(reading)

    @property
    def latest(self) -> dict[str, float]:
        """Named losses of the last update; waits for a GPU."""
        self._read(wait=True)
        return self._latest

    @contextmanager
    def _drawn_chunk(self) -> Iterator[None]:
        """One of the dynamic chunk sizes, if there are any; afterwards the model is as evaluation needs it."""
        sizes = self.config.training.dynamic_chunks
        if not sizes:
            yield
            return
        self.model.use_chunk(sizes[int(torch.randint(len(sizes), ()))])
        try:
            yield
        finally:
            self.model.use_chunk(self.model.config.chunk)

    def _augment(self, batch: JointBatch) -> JointBatch:
        paired, config = batch.paired, self.config.training.spec_augment
        mean, pretrained = self.model.normalisation.mean, self.model.pretrained
        if pretrained is not None and pretrained.features == "waveform":  # whose mean is 0, and which has no bins
            config = dataclasses.replace(config, frequency_masks=0)
        elif pretrained is not None:
            mean = utterance_means(paired.features, paired.feature_lengths)
        features, lengths = paired.features, paired.feature_lengths
        if self.config.training.silence > 0:
            most = frames_within(self.config.training.silence, self.config.features.hop)
            features, lengths = silence_behind(features, lengths, most, math.log(self.config.features.floor))
        masked = spec_augment(features, lengths, mean, config)
        # Numbers of frames on the host stay those of speech: they say how many positions there are at least.
        fields = {**vars(paired), "features": masked, "feature_lengths": lengths}
        return dataclasses.replace(batch, paired=PairedBatch(**fields))

    def _check_finite(self, reading: Reading) -> None:
        if math.isfinite(reading.values["loss"]):
            return
        parts = ", ".join(f"{name} {value:.4g}" for name, value in reading.values.items() if name != "loss")
        raise CollapseError(
            f"update {reading.update}: the loss is not finite ({parts}); {reading.utterances}; what to do: look at "
            "these utterances, lower training.peak_rate or training.gradient_clip (either starts anew), then run again"
        )

    def _states(self, loss: JointLoss, texts: TextBatch | None) -> dict[str, Tensor]:
        """How alike the states of each shared layer are, and how much nearer they are to their own text."""
        if loss.speech is None:
            return {}
        values = {f"spread/layer{i}": value for i, value in enumerate(spreads(loss.speech))}
        pairs = [] if texts is None or loss.transcripts is None else other_texts(texts)
        if pairs and loss.transcripts is not None:
            ratios = true_to_mismatched(loss.speech, loss.transcripts, pairs)
            values.update({f"ratio/layer{i}": value for i, value in enumerate(ratios)})
        return values

    def _watch(self, reading: Reading) -> None:
        """Raise the alarms that are armed."""
        config, update, names = self.config.training, reading.update, self.model.layer_names
        found = [[reading.values.get(f"{kind}/layer{i}") for i in range(len(names))] for kind in ("spread", "ratio")]
        values, ratios = ([value for value in row if value is not None] for row in found)
        try:
            if values and update >= self.config.loss.ctc_only_updates + GRACE:
                check_spreads(values, names, config.collapse_spread, update)
            consistency = self.config.loss.consistency
            on = consistency_weight(self.config.loss, update) > 0 and update >= consistency.start_update + GRACE
            if ratios and on:
                self._ratios = [*self._ratios, ratios][-LOOKS:]
                least = [min(layer) for layer in zip(*self._ratios)]
                if len(self._ratios) == LOOKS:
                    check_ratios(least, names, config.collapse_ratio, update)
        except CollapseError as error:
            if config.on_collapse == "stop":
                raise
            self.print(f"warning: {error}")

    def validation_step(self, batch: PairedBatch, batch_idx: int) -> dict[str, float]:
        """Summed losses on speech of the decoders that are trained, and the number of labels."""
        with uncompiled():
            encoded = self.model.encode_speech(batch.features, batch.feature_lengths, batch.languages)
        labels = sum(batch.label_counts)
        losses: dict[str, float] = {}
        for name in self.model.config.decoder_weights(self.config.loss.streaming):
            decoder, states = self.model.decoder(name), encoded.states_of(name)
            loss = transducer_loss(decoder, states, encoded.lengths, batch.labels, batch.label_lengths)
            losses[name] = float(loss) * labels
        return {**losses, "labels": float(labels)}

    def clipped_together(self) -> list[list[Parameter]]:
        """The additive joiners apart: their gradient may be the largest, and is not to make all others smaller."""
        apart = [weight for name, weight in self.named_parameters() if ".additive." in name]
        rest = [weight for name, weight in self.named_parameters() if ".additive." not in name]
        return [rest, apart]

    def configure_optimizers(self) -> Any:
        """See :func:`jointst.training.schedule.optimisation`."""
        return optimisation(self.model, self.config.training)


def _utterances(batch: JointBatch) -> str:
    texts = [utterance for text in batch.texts for utterance in text.utterances]
    return f"paired utterances of the batch: {' '.join(batch.paired.utterances)}; texts: {' '.join(texts)}"

"""Training on text alone, or on text and some speech of the old domain, from a trained model.

Speech is heard as before: the audio encoder stays as it is. Without speech to rehearse on the shared encoders stay,
too, and the decoders alone learn what text says by what the text encoder makes of it: encoders that hear no speech
forget it. With speech the shared encoders and the text encoder learn as well. A text encoder of a model of speech alone
has learnt nothing yet: it is trained first, by what the rest of the model, which stays as it is meanwhile, understands:
the CTC that spells phones from the audio encoder's states, and the transducers, on sentences of words that it knows.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from jointst.adaptation.speech import BATCH, Judgement, Speech, summed_loss
from jointst.common.errors import CollapseError, JointstError
from jointst.common.progress import progress
from jointst.config import BatchConfig, Config, ConsistencyConfig, LossConfig, TrainingConfig
from jointst.data.batch import TextBatch
from jointst.data.dataset import TextSet
from jointst.data.sampler import BucketSampler
from jointst.models.joint import JointModel
from jointst.models.objective import Branch, branch_loss, consistency_parts, ctc_loss, text_branch
from jointst.training.schedule import optimisation
from jointst.training.time_to_go import TimeToGo, in_words

DECODERS = ("streaming_decoder", "full_context_decoder")
"""Parts of the model that learn from text."""
ENCODERS = ("streaming_encoder", "widening", "full_context_encoder", "text_encoder")
"""Parts that learn with them where there is speech to rehearse on, by which they stay true."""
SPEECH_BATCH = 8
"""Utterances of an update, where there are some to rehearse on."""
CONSISTENCY = 0.3
"""Weight of the loss that draws text to where speech is, and not speech to where text is."""
FIRST_RATE = 2e-3
"""Learning rate of a text encoder that was never trained."""
PATIENCE = 4
"""Looks without a lower loss on the text that is held out, after which training stops."""
TOLERANCE = 0.002
"""By how much the error rate of the old domain may rise: a word of some hundred utterances or two say nothing."""
SHARES = (0.75, 0.5, 0.25, 0.1)
"""How far towards the adapted weights to go, where all the way makes the old domain worse."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to adapt.

    Attributes:
        updates: on text, at most.
        first_updates: of a text encoder that was never trained.
        rate: highest learning rate.
        batch: sentences of an update.
        look_every: updates between looks at what is held out.
        seed: of order and masks.
    """

    updates: int = 750
    first_updates: int = 200
    rate: float = 1e-3
    batch: int = 16
    look_every: int = 100
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is seen at an update.

    Attributes:
        update: counted from 1; 0 for the model before it has learnt from the text.
        text: loss on the text that is held out, for each label, the mean of both decoders.
        dev: how well it does on the old domain, if there is a dev set of it.
        share: of the way from the first weights to the adapted ones.
    """

    update: int
    text: float
    dev: Judgement | None
    share: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        dev = {} if self.dev is None else {"dev_loss": self.dev.loss, "dev_error_rate": self.dev.rate}
        return {"update": self.update, "text_loss": self.text, "share": self.share, **dev}


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """What came out.

    Attributes:
        looks: in their order, the first before any update on text.
        kept: that of the weights that the model has now.
        seconds: of all of it.
    """

    looks: list[Look]
    kept: Look
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a model is adapted on.

    Attributes:
        text: sentences to learn.
        familiar: those of them whose words it knows; all of them where it knows none.
        held_out: sentences to be judged by.
        rehearsal, dev: speech of the old domain, if there is some.
    """

    text: TextSet
    familiar: TextSet
    held_out: TextSet
    rehearsal: Speech | None = None
    dev: Speech | None = None


class Teacher:
    """Adapts a model.

    Args:
        model: with all its weights, in evaluation mode; it is changed.
        config: its settings.
        lesson: what it is adapted on.
        plan: how.
    """

    def __init__(self, model: JointModel, config: Config, lesson: Lesson, plan: Plan) -> None:
        self._model, self._lesson, self._plan = model, lesson, plan
        aligned = ConsistencyConfig(stop_gradient="speech")
        self._loss = replace(config.loss, text=config.loss.text or LossConfig.text, consistency=aligned)
        self._repeats = config.model.text_encoder.repeats
        self._bounds = BatchConfig(max_utterances=plan.batch)
        self._texts, self._familiar = (self._sampler(text) for text in (lesson.text, lesson.familiar))
        self._speech: BucketSampler | None = None
        if lesson.rehearsal is not None:
            heard = lesson.rehearsal
            bounds = BatchConfig(max_utterances=SPEECH_BATCH)
            self._speech = BucketSampler(heard.paired.utterances, heard.sizes, bounds, seed=plan.seed)

    def _sampler(self, text: TextSet) -> BucketSampler:
        return BucketSampler(text.utterances, text.sizes(self._repeats), self._bounds, seed=self._plan.seed)

    def run(self, *, trained_text: bool) -> Adapted:
        """Adapt the model.

        Args:
            trained_text: whether its text encoder was trained.

        Raises:
            CollapseError: a loss is not finite.
            JointstError: whatever was learnt makes the old domain worse.
        """
        first, updates = 0 if trained_text else self._plan.first_updates, self._plan.updates
        phases = [("text encoder", 0)] * bool(first) + [("text", first)]
        started = time.monotonic()
        self._clock = TimeToGo(phases, first + updates, self._plan.look_every)
        self._bar: tqdm[None] = progress(total=first + updates, desc="adapt", unit="update", guess=False)
        with self._bar:
            if first:
                optimiser = self._optimiser(("text_encoder",), FIRST_RATE, first)
                for step in range(first):
                    self._since = time.monotonic()
                    self._update(optimiser, self._first_loss(step), step + 1)
            looks, kept = self._learn(first)
        return Adapted(looks=looks, kept=kept, seconds=time.monotonic() - started)

    def _optimiser(self, parts: tuple[str, ...], rate: float, updates: int) -> dict[str, Any]:
        """An optimiser of some parts of the model; the others are frozen."""
        for weight in self._model.parameters():
            weight.requires_grad_(False)
        for part in filter(None, (getattr(self._model, name) for name in parts)):  # a decoder may not be there
            part.requires_grad_(True)
        warmup = min(50, updates // 10)
        config = TrainingConfig(peak_rate=rate, max_updates=updates, warmup_updates=warmup, weight_decay=0.0)
        return optimisation(self._model, config)

    def _update(self, optimiser: dict[str, Any], loss: Tensor, done: int) -> None:
        """One step, with its line of progress.

        Raises:
            CollapseError: the loss is not finite.
        """
        value = float(loss.detach())
        if not math.isfinite(value):
            raise CollapseError(f"update {done}: the loss is not finite; what to do: lower --rate")
        optimiser["optimizer"].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        weights = [weight for weight in self._model.parameters() if weight.requires_grad]
        torch.nn.utils.clip_grad_norm_(weights, TrainingConfig.gradient_clip)
        optimiser["optimizer"].step()
        optimiser["lr_scheduler"]["scheduler"].step()
        self._clock.updated(done, time.monotonic() - self._since)
        left = self._clock.left(done)
        words = "" if left is None else f", {in_words(left)} to go"
        self._bar.set_postfix_str(f"{self._clock.phase(done)}{words}, loss {value:.3f}", refresh=False)
        self._bar.update(1)

    def _drawn(self, step: int) -> None:
        """Let masks follow from the step alone."""
        torch.manual_seed(self._plan.seed * 1_000_003 + step)
        self._model.train()

    def _first_loss(self, step: int) -> Tensor:
        """What teaches a fresh text encoder: a model that stays as it is has to understand it as it does speech."""
        self._drawn(step)
        model = self._model
        branches = [text_branch(model, self._lesson.familiar.batch(self._familiar.batch(step).tolist()))]
        if self._lesson.rehearsal is not None and self._speech is not None:
            branches = [*self._heard(step), *branches]
        spelt = model.config.ctc_target == "phones"
        losses = []
        for branch in branches:
            batch = branch.batch
            target = (batch.phones, batch.phone_lengths) if spelt else (batch.labels, batch.label_lengths)
            if branch.name == "text":
                losses.append(ctc_loss(model, branch.front, branch.lengths, *target))
        return self._summed(branches, torch.stack(losses).mean(), exact=True)

    def _learning_loss(self, step: int) -> Tensor:
        """What teaches the text, and keeps what is known of speech where there is some to rehearse on."""
        self._drawn(step)
        branches = [text_branch(self._model, self._lesson.text.batch(self._texts.batch(step).tolist()))]
        if self._lesson.rehearsal is not None and self._speech is not None:
            branches = [*self._heard(step), *branches]
        return self._summed(branches, branches[0].front.new_zeros(()), exact=False)

    def _heard(self, step: int) -> list[Branch]:
        """Speech to rehearse on, and what is said there as text."""
        speech, sampler = self._lesson.rehearsal, self._speech
        assert speech is not None
        assert sampler is not None
        indices = sampler.batch(step).tolist()
        return [speech.branch(indices), text_branch(self._model, speech.paired.batch(indices))]

    def _summed(self, branches: list[Branch], total: Tensor, *, exact: bool) -> Tensor:
        """All losses; text is drawn to where speech is, if there is some."""
        encoded, total = branch_loss(self._model, branches, self._loss, {}, total, exact=exact)
        if branches[0].name == "text":
            return total
        batch = branches[1].batch
        assert isinstance(batch, TextBatch)
        found = consistency_parts(encoded[0], encoded[1], batch, self._loss)["consistency"]
        return total + CONSISTENCY * found

    def _look(self, update: int, share: float = 1.0) -> Look:
        self._model.eval()
        text, losses, labels = self._lesson.held_out, 0.0, 0
        for first in range(0, len(text.utterances), BATCH):
            indices = range(first, min(first + BATCH, len(text.utterances)))
            branch = text_branch(self._model, text.batch(indices))
            losses += summed_loss(self._model, branch)
            labels += sum(branch.batch.label_counts)
        dev = None if self._lesson.dev is None else self._lesson.dev.judge(self._model)
        found = Look(update=update, text=losses / max(1, labels), dev=dev, share=share)
        said = "" if dev is None else f"; old domain: {dev.loss:.4f}, {100 * dev.rate:.1f} % errors"
        self._bar.write(f"update {update}: loss on text held out {found.text:.4f} a label{said}")
        return found

    def _learn(self, first: int) -> tuple[list[Look], Look]:
        """Learn the text; all looks, and the one whose weights are kept."""
        updates, every = self._plan.updates, self._plan.look_every
        learning = DECODERS if self._speech is None else (*ENCODERS, *DECODERS)
        optimiser = self._optimiser(learning, self._plan.rate, updates)
        begun = self._weights()
        looks = [self._look(0)]
        best: tuple[Look, dict[str, Tensor]] | None = None
        respected: tuple[Look, dict[str, Tensor]] | None = None
        for step in range(updates):
            self._since = time.monotonic()
            self._update(optimiser, self._learning_loss(step), first + step + 1)
            if (step + 1) % every and step + 1 < updates:
                continue
            looks.append(self._timed_look(step + 1))
            latest = looks[-1]
            if best is None or latest.text < best[0].text:
                best = latest, self._weights()
            if not self._harms(latest, looks[0]) and (respected is None or latest.text < respected[0].text):
                respected = latest, self._weights()
            if latest.update - best[0].update >= PATIENCE * every:
                self._bar.write("text: nothing more is gained; training ends")
                break
        assert best is not None, "at least one update"
        if respected is not None:
            self._put(respected[1])
            return looks, respected[0]
        for share in SHARES:
            self._put({name: begun[name].lerp(tensor, share) for name, tensor in best[1].items()})
            looks.append(self._look(best[0].update, share))
            if not self._harms(looks[-1], looks[0]):
                return looks, looks[-1]
        raise JointstError(
            f"whatever was learnt makes the old domain worse than {100 * _rate(looks[0]):.1f} % (lower --rate, or give "
            "more speech to rehearse on by --rehearse)"
        )

    def _timed_look(self, update: int) -> Look:
        began = time.monotonic()
        found = self._look(update)
        self._clock.validated(time.monotonic() - began)
        return found

    def _harms(self, look: Look, before: Look) -> bool:
        """Whether more of the old domain is wrong than before; never where there is none to look at."""
        return look.dev is not None and before.dev is not None and look.dev.rate > before.dev.rate + TOLERANCE

    def _weights(self) -> dict[str, Tensor]:
        """A copy of what learns."""
        learns = {name for name, weight in self._model.named_parameters() if weight.requires_grad}
        return {name: tensor.clone() for name, tensor in self._model.state_dict().items() if name in learns}

    def _put(self, weights: dict[str, Tensor]) -> None:
        self._model.load_state_dict(weights, strict=False)


def _rate(look: Look) -> float:
    return 0.0 if look.dev is None else look.dev.rate

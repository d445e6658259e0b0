"""Training and validation data for lightning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from jointst.config import Config, DataConfig
from jointst.data.batch import JointBatch, PairedBatch
from jointst.data.dataset import JointSet, PairedSet, Symbols, TextSet, batches_in_order, in_order, read_directories
from jointst.data.directory import DataDirectory
from jointst.data.sampler import BucketSampler
from jointst.errors import DataError

AHEAD = 200
"""Batches among which some are looked for that stand for all."""
HIDDEN_LANGUAGES = 0.1
"""Share of paired training utterances that a model with a language embedding sees without their language [ours]."""


class _Steps(IterableDataset[JointBatch]):
    """Joint batches of the steps that are left, in order; loader processes take turns."""

    def __init__(self, joint: JointSet, first: int, last: int) -> None:
        self._joint = joint
        self._first = first
        self._last = last

    def __iter__(self) -> Iterator[JointBatch]:
        worker = get_worker_info()
        offset, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for step in range(self._first + offset, self._last, stride):
            yield self._joint.batch(step)


class _Validation(IterableDataset[PairedBatch]):
    def __init__(self, paired: PairedSet, batch_utterances: int) -> None:
        self._paired = paired
        self._batch_utterances = batch_utterances

    def __iter__(self) -> Iterator[PairedBatch]:
        return in_order(self._paired, self._batch_utterances)


def with_speech(
    config: DataConfig, root: Path, names: Sequence[str], speeds: Sequence[float] = (1.0,)
) -> list[DataDirectory]:
    """Data directories without the utterances of languages that are to be known from text alone.

    Raises:
        DataError: there are none of other languages.
    """
    directories = read_directories(root, names, speeds)
    if not config.text_only_languages:
        return directories
    hidden = set(config.text_only_languages)
    kept = [item.subset([key for key in item.text if item.utt2lang.get(key) not in hidden]) for item in directories]
    if directories and not any(item.text for item in kept):
        raise DataError(
            f"has speech in {' '.join(sorted(hidden))} alone, which data.text_only_languages leaves out",
            path=directories[-1].path,
            fix="name fewer languages there",
        )
    return [item for item in kept if item.text]


def training_set(
    config: Config, root: Path, symbols: Symbols, *, rank: int = 0, world: int = 1
) -> tuple[JointSet, PairedSet]:
    """The joint training set of an experiment.

    Raises:
        DataError: an empty set, or an utterance larger than a whole batch.
    """
    training = config.training
    durations = config.durations_folder
    directories = with_speech(config.data, root, config.data.train, config.features.speed_perturbation)
    directories += with_speech(config.data, root, config.data.pseudo)
    paired = PairedSet(directories, symbols, may_lack=config.features.max_failures > 0, durations=durations)
    paired.check_durations(config.model.subsampling)
    paired_sampler = BucketSampler(
        paired.utterances,
        paired.paired_sizes(config.model.subsampling),
        training.speech_batch,
        seed=training.seed,
        rank=rank,
        world=world,
        languages=paired.languages,
        temperature=training.sampling_temperature,
    )
    use_text = config.loss.text > 0
    unpaired = unpaired_sampler = None
    if use_text and config.data.unpaired:
        unpaired = TextSet(read_directories(root, config.data.unpaired), symbols, durations=durations)
        unpaired_sampler = BucketSampler(
            unpaired.utterances,
            unpaired.sizes(config.model.text_encoder.repeats),
            training.text_batch,
            seed=training.seed + 1,
            rank=rank,
            world=world,
            languages=unpaired.languages,
            temperature=training.sampling_temperature,
        )
    joint = JointSet(
        paired,
        paired_sampler,
        unpaired,
        unpaired_sampler,
        paired_text_share=training.paired_text_share,
        use_text=use_text,
        hidden_languages=HIDDEN_LANGUAGES if config.model.language_embedding else 0.0,
    )
    return joint, paired


class JointData(LightningDataModule):
    """Batches by step, so that a continued run goes on with the very next one.

    Args:
        config: all settings.
        root: folder of the data directories.
        symbols: symbol tables.
    """

    def __init__(self, config: Config, root: Path, symbols: Symbols) -> None:
        super().__init__()
        self._config = config
        self._root = root
        self._symbols = symbols
        self.next_step = 0

    def setup(self, stage: str) -> None:
        """Read the directories."""
        trainer = self.trainer
        assert trainer is not None
        self._joint, _ = training_set(
            self._config, self._root, self._symbols, rank=trainer.global_rank, world=trainer.world_size
        )
        may_lack = self._config.features.max_failures > 0
        dev = with_speech(self._config.data, self._root, self._config.data.dev)
        self._dev = PairedSet(dev, self._symbols, may_lack=may_lack)
        if not self._dev.utterances:
            raise DataError("the dev sets are empty")

    def train_dataloader(self) -> DataLoader[JointBatch]:
        """The joint batches that are left to train on."""
        training = self._config.training
        last = training.max_updates * training.accumulate
        return DataLoader(_Steps(self._joint, self.next_step, last), batch_size=None, num_workers=training.workers)

    def val_dataloader(self) -> DataLoader[PairedBatch]:
        """The dev sets."""
        return DataLoader(_Validation(self._dev, self._config.decoding.batch_utterances), batch_size=None)

    def spread(self, count: int) -> list[JointBatch]:
        """Some of the next batches, spread over what they cost: from the middle on outwards, the cheapest last."""
        steps = range(self.next_step, self.next_step + AHEAD)
        ranked = sorted(steps, key=self._joint.places)
        chosen = [ranked[(2 * part + 1) * len(ranked) // (2 * count)] for part in range(count)]
        outwards = sorted(range(count), key=lambda part: (abs(2 * part + 1 - count), -part))
        return [self._joint.batch(chosen[part]) for part in outwards]

    def spread_dev(self, count: int) -> tuple[list[PairedBatch], float]:
        """So many batches of the dev sets, spread over their lengths, and their share of all; all where there are no
        more."""
        batches = batches_in_order(self._dev, self._config.decoding.batch_utterances)
        count = min(count, len(batches))
        chosen = [batches[(2 * part + 1) * len(batches) // (2 * count)] for part in range(count)]
        return [self._dev.paired_batch(indices) for indices in chosen], count / len(batches)

    def state_dict(self) -> dict[str, Any]:
        """How many batches are used up: the whole state of the samplers."""
        assert self.trainer is not None
        return {"next_step": self.trainer.global_step * self._config.training.accumulate}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the batches that are used up."""
        self.next_step = state_dict["next_step"]

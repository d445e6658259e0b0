"""Training and validation data for lightning."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from jointst.common.errors import DataError
from jointst.common.threads import available_cpus, set_threads
from jointst.common.units import frames_to_seconds
from jointst.config import Config, DataConfig
from jointst.data.batch import AnyBatch, JointBatch, PairedBatch
from jointst.data.dataset import JointSet, PairedSet, TextSet, batches_in_order, in_order, read_directories
from jointst.data.harder import make_harder, some_speech
from jointst.data.sampler import BucketSampler, Turns
from jointst.data.speech_set import SpeechSet
from jointst.data.stored_speech import StoredSpeech, open_speech
from jointst.data.stored_texts import StoredTexts, open_texts
from jointst.data.symbols import Symbols
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.part import only, spoken_part
from jointst.kaldi.speed import speed_directory
from jointst.ranks.signals import bear_signals

MOST_WORKERS = 8
"""Loader processes of a GPU, where their number is not stated."""
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


def read_unpaired(config: Config, root: Path, symbols: Symbols) -> TextSet | StoredTexts | None:
    """The unpaired sentences of an experiment, None where it uses none.

    They are read from their stores when they are needed; where these cannot be written, they are in memory.

    Raises:
        DataError: missing or faulty data.
        OSError: the disk is full.
    """
    if config.loss.text == 0 or not config.data.unpaired:
        return None
    found = _stored(config, root, symbols)
    if found is not None:
        return found
    directories = read_directories(root, config.data.unpaired)
    return TextSet(directories, symbols, durations=config.durations_folder)


def _stored(config: Config, root: Path, symbols: Symbols) -> StoredTexts | None:
    folders = [root / name for name in config.data.unpaired]
    return open_texts(folders, symbols, durations=config.durations_folder, threads=available_cpus())


def _stored_speech(config: Config, root: Path, symbols: Symbols) -> StoredSpeech | None:
    """The paired utterances of an experiment that hears all of its sets, from their stores."""
    data = config.data
    if data.text_only_languages or data.paired_minutes:
        return None
    speeds = config.features.speed_perturbation
    folders = [speed_directory(root / name, speed) for name in data.train for speed in speeds]
    folders += [root / name for name in data.pseudo]
    return open_speech(folders, symbols, durations=config.durations_folder, threads=available_cpus())


def read_paired(config: Config, root: Path, symbols: Symbols) -> PairedSet | StoredSpeech:
    """The paired training utterances of an experiment.

    They are read from their stores when they are needed; where these cannot be written, where only a part of a set is
    heard, or an utterance has no features, they are in memory.

    Raises:
        DataError: missing or faulty data.
        OSError: the disk is full.
    """
    found = _stored_speech(config, root, symbols)
    if found is not None:
        return found
    directories = with_speech(config.data, root, config.data.train, config.features.speed_perturbation)
    if config.data.paired_minutes:
        directories = only(directories, spoken_part(config, root))
    directories += with_speech(config.data, root, config.data.pseudo)
    may_lack = config.features.max_failures > 0
    return PairedSet(directories, symbols, may_lack=may_lack, durations=config.durations_folder)


def read_training_sets(
    config: Config, root: Path, symbols: Symbols
) -> tuple[PairedSet | StoredSpeech, TextSet | StoredTexts | None]:
    """The paired utterances and the unpaired sentences of an experiment, None where it uses none.

    Raises:
        DataError: missing or faulty data.
        OSError: the disk is full.
    """
    paired = read_paired(config, root, symbols)
    paired.check_durations(config.model.rows_per_position)
    speech = some_speech(len(paired.utterances), lambda i: (paired.utterances[i], paired.place(i)))
    training, rate = config.training, config.features.sampling_rate
    paired.augment = make_harder(training.augmentation, rate, training.seed, speech, root / ".stages")
    return paired, read_unpaired(config, root, symbols)


def joint_set(
    config: Config, paired: SpeechSet, unpaired: TextSet | StoredTexts | None, *, turns: Turns | None = None
) -> JointSet:
    """The batches of an experiment.

    Raises:
        DataError: an empty set, or an utterance larger than a whole batch.
    """
    training, hop = config.training, config.row
    longest = int(paired.frames.max(initial=0))
    bounds = training.speech_batch.in_frames(hop, longest)
    if longest > bounds.max_positions:
        raise DataError(
            f"is {frames_to_seconds(longest, hop):g} s long, {longest} frames",
            utterance=paired.utterances[int(np.argmax(paired.frames))],
            fix=f"segment or drop it, or raise training.speech_batch.max_positions to {longest}",
        )
    sampler = functools.partial(BucketSampler, temperature=training.sampling_temperature)
    paired_sampler = sampler(
        paired.utterances,
        paired.paired_sizes(config.model.rows_per_position),
        bounds,
        seed=training.seed,
        groups=paired.groups,
    )
    unpaired_sampler = None
    if unpaired is not None:
        unpaired_sampler = sampler(
            unpaired.utterances,
            unpaired.sizes(config.model.text_encoder.repeats),
            training.text_batch,
            seed=training.seed + 1,
            groups=unpaired.groups,
        )
    return JointSet(
        paired,
        paired_sampler,
        unpaired,
        unpaired_sampler,
        paired_text_share=training.paired_text_share,
        use_text=config.loss.text > 0,
        hidden_languages=HIDDEN_LANGUAGES if config.model.language_embedding else 0.0,
        turns=turns,
    )


def training_set(config: Config, root: Path, symbols: Symbols) -> tuple[JointSet, PairedSet | StoredSpeech]:
    """The joint training set of an experiment, and its paired part.

    Raises:
        DataError: an empty set, or an utterance larger than a whole batch.
    """
    paired, unpaired = read_training_sets(config, root, symbols)
    return joint_set(config, paired, unpaired), paired


def loader_processes(stated: int | None, gpus: int) -> int:
    """Loader processes of each device: as stated, else none for the CPU, and for a GPU its share of the CPUs less one.

    Args:
        stated: ``training.workers``.
        gpus: of this machine that train; 0 for the CPU.
    """
    if stated is not None or gpus == 0:
        return stated or 0
    return max(1, min(MOST_WORKERS, available_cpus() // gpus - 1))


def _prepare(worker: int) -> None:
    """One thread for each loader process, which leaves it to its parent to end."""
    set_threads(1)
    bear_signals()


class JointData(LightningDataModule):
    """Batches by step, so that a continued run goes on with the very next one.

    Args:
        config: all settings; where the bound on seconds is to be found, those with it are needed by ``setup``.
        root: folder of the data directories.
        symbols: symbol tables.
    """

    def __init__(self, config: Config, root: Path, symbols: Symbols) -> None:
        super().__init__()
        self.config = config
        self._root = root
        self._symbols = symbols
        self._sets: tuple[PairedSet | StoredSpeech, TextSet | StoredTexts | None] | None = None
        self.next_step = 0
        self._state: dict[str, Any] | None = None

    @property
    def sets(self) -> tuple[PairedSet | StoredSpeech, TextSet | StoredTexts | None]:
        """Paired utterances and unpaired sentences to train on, read once."""
        if self._sets is None:
            self._sets = read_training_sets(self.config, self._root, self._symbols)
        return self._sets

    def prepare_data(self) -> None:
        """Write the stores that are missing: lightning has one process of each machine do so first."""
        if self._sets is None:
            _stored_speech(self.config, self._root, self._symbols)
            if self.config.loss.text > 0:
                _stored(self.config, self._root, self._symbols)

    def setup(self, stage: str) -> None:
        """Read the directories."""
        trainer = self.trainer
        assert trainer is not None
        turns = Turns(rank=trainer.global_rank, world=trainer.world_size)
        self._joint = joint_set(self.config, *self.sets, turns=turns)
        may_lack = self.config.features.max_failures > 0
        dev = with_speech(self.config.data, self._root, self.config.data.dev)
        self._dev = PairedSet(dev, self._symbols, may_lack=may_lack)
        if not self._dev.utterances:
            raise DataError("the dev sets are empty")

    def _loader(self, batches: IterableDataset[AnyBatch], processes: int) -> DataLoader[AnyBatch]:
        return DataLoader(
            batches,
            batch_size=None,
            num_workers=processes,
            persistent_workers=processes > 0,
            worker_init_fn=_prepare,
            pin_memory=self._gpus > 0,
        )

    @property
    def _gpus(self) -> int:
        assert self.trainer is not None
        return self.trainer.num_devices if self.trainer.strategy.root_device.type == "cuda" else 0

    def train_dataloader(self) -> DataLoader[JointBatch]:
        """The joint batches that are left to train on.

        Raises:
            DataError: the checkpoint to go on from drew its batches in another order.
        """
        if self._state is not None:
            self._joint.go_on(self.next_step, self._state)
        training = self.config.training
        last = training.max_updates * training.accumulate
        processes = loader_processes(training.workers, self._gpus)
        return self._loader(_Steps(self._joint, self.next_step, last), processes)

    def val_dataloader(self) -> DataLoader[PairedBatch]:
        """The dev sets."""
        validation = _Validation(self._dev, self.config.decoding.batch_utterances)
        return self._loader(validation, min(1, self._gpus))  # one process reads ahead, in order

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
        batches = batches_in_order(self._dev, self.config.decoding.batch_utterances)
        count = min(count, len(batches))
        chosen = [batches[(2 * part + 1) * len(batches) // (2 * count)] for part in range(count)]
        return [self._dev.paired_batch(indices) for indices in chosen], count / len(batches)

    def state_dict(self) -> dict[str, Any]:
        """How many batches are used up, by this process and by all: the whole state of the samplers."""
        assert self.trainer is not None
        step = self.trainer.global_step * self.config.training.accumulate
        return {"next_step": step, **self._joint.state(step)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the batches that are used up, with as many processes as there are now."""
        self.next_step = state_dict["next_step"]
        self._state = state_dict

#!/usr/bin/env python3
"""What a training of any size costs on paper: disk, reading, memory, time of an epoch, and what breaks first.

    python tools/cost_model.py
    python tools/cost_model.py --speech-hours 1000 --sentences 1e8 --gpus 8

Prints Markdown. Every assumption is an option. Those marked [measured] are figures of tools/README.md, those marked
[code] follow from how things are kept, the rest describes a machine or a wish. GB are 10^9 bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

BYTES_A_PARAMETER = 20
"""Of DDP: weight, gradient and its copy in a bucket, two moments of Adam, all of 4 bytes."""
WINDOW = 2**20
"""Sentences that batches are drawn from at a time, jointst/data/windows.py."""


def option(default: float, words: str) -> Any:
    """An assumption and what its option's help says."""
    return field(default=default, metadata={"help": f"{words} (default: %(default)s)"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A training, its machines and what is known of costs; what follows from them has its unit in its name."""

    speech_hours: float = option(100_000, "hours of speech")
    sentences: float = option(1e10, "unpaired sentences")
    gpus: float = option(64, "GPUs, one process each")
    gpus_a_node: float = option(8, "GPUs of a node")
    gpu_gb: float = option(80, "memory of a GPU")
    node_gb: float = option(1000, "main memory of a node")
    node_cores: float = option(128, "cores of a node")
    node_read_gb_s: float = option(2, "what a node reads of the file system")
    cluster_read_gb_s: float = option(20, "what all nodes read of it")
    node_network_gb_s: float = option(25, "what a node sends to others")
    processes: float = option(64, "that prepare text")
    prepare_hours: float = option(72, "that preparing text may take")
    start_minutes: float = option(10, "that a start may take")
    parameters: float = option(28.4e6, "of the model")
    audio_hours_a_gpu_hour: float = option(2547, "best, layers launched one by one as on several GPUs [measured]")
    batch_seconds: float = option(384, "of audio in a GPU's batch [measured with it]")
    batch_sentences: float = option(16, "unpaired, in a GPU's batch [measured with it]")
    utterance_seconds: float = option(12, "of an utterance [measured with it]")
    phones: float = option(144, "of an utterance or a sentence [measured with it]")
    labels: float = option(48, "word pieces, likewise [measured with it]")
    text_bytes: float = option(170, "of a sentence as text")
    name_bytes: float = option(24, "of a sentence's id")
    languages: float = option(11, "languages")
    loaders_a_gpu: float = option(8, "loader processes of a GPU at most [code]")
    flac_mb_an_hour: float = option(72.8, "audio in shards [measured]")
    flac_cpu_seconds: float = option(2.37, "to make features of an hour of it [measured]")
    opus_mb_an_hour: float = option(10.8, "24 kbit/s")
    opus_cpu_seconds: float = option(9.1, "likewise [measured]")
    arks_mb_an_hour: float = option(28.8, "80 mel bins of a byte, every 10 ms [code]")
    arks_cpu_seconds: float = option(0.40, "to read features of an hour [measured]")
    augmentation_cpu_seconds: float = option(4.65, "more, with noise, rooms and codecs for half each [measured]")
    store_symbols_a_second: float = option(1.32e6, "phones and labels that a process writes into a store [measured]")
    stages_cpu_seconds: float = option(
        616, "stages 1 to 5 without stores, a million sentences, words cached [measured]"
    )
    window_seconds: float = option(2.2, "to draw a window of 1,048,576 sentences [measured]")
    look_seconds: float = option(0.07, "to look through a window for the largest batches [measured]")
    process_gb: float = option(1.0, "of a process that trains, its windows of text included [measured]")
    loader_gb: float = option(0.25, "of a loader process, likewise [measured]")
    start_us_an_utterance: float = option(12.6, "CPU time to write it into its set's store, once [measured]")
    held_bytes: float = option(4, "of an utterance in memory, its length [measured by a test]")

    @property
    def utterances(self) -> float:
        return self.speech_hours * 3600 / self.utterance_seconds

    @property
    def store_bytes_a_sentence(self) -> float:
        """See jointst/data/text_store.py: symbols of two bytes, where each ends, its language, its place in that."""
        place = 0 if self.languages == 1 else 4 if self.sentences < 2**32 else 8
        return 2 * (self.phones + self.labels) + self.name_bytes + 3 * 8 + 2 + place

    @property
    def store_hours(self) -> float:
        """Of one process: a set has one writer, and sets are written one after the other."""
        return self.sentences * (self.phones + self.labels) / self.store_symbols_a_second / 3600

    @property
    def update_seconds(self) -> float:
        """Without gradients of others."""
        return self.batch_seconds / self.audio_hours_a_gpu_hour

    @property
    def gradient_gb(self) -> float:
        """What a process sends for an update, in a ring."""
        return 2 * (self.gpus - 1) / self.gpus * 4 * self.parameters / 1e9

    @property
    def gradient_seconds(self) -> float:
        """Of a ring that enters and leaves each node once, nothing of it hidden behind backward."""
        return self.gradient_gb / self.node_network_gb_s

    @property
    def epoch_updates(self) -> float:
        return self.speech_hours * 3600 / (self.batch_seconds * self.gpus)

    @property
    def sentences_a_second(self) -> float:
        return self.gpus * self.batch_sentences / (self.update_seconds + self.gradient_seconds)

    def node_read_gb_a_second(self, mb_an_hour: float) -> float:
        """For audio."""
        return self.gpus_a_node * self.audio_hours_a_gpu_hour / 3600 * mb_an_hour / 1e3

    def loader_cores(self, cpu_seconds_an_hour: float) -> float:
        """Of a GPU."""
        return self.audio_hours_a_gpu_hour / 3600 * cpu_seconds_an_hour

    @property
    def node_lengths_gb(self) -> float:
        """Each process of a node has its own."""
        return self.gpus_a_node * self.utterances * self.held_bytes / 1e9

    @property
    def node_processes_gb(self) -> float:
        return self.gpus_a_node * (self.process_gb + self.loaders_a_gpu * self.loader_gb)


def shown(value: float) -> str:
    """Three digits."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """A Markdown table."""
    cells = [[cell if isinstance(cell, str) else shown(cell) for cell in row] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in (columns, ["---"] * len(columns), *cells))


def speech(plan: Plan) -> str:
    """What audio takes, by how it is kept."""
    rows: list[list[str | float]] = []
    for name, mb, cpu in (
        ("arks of features", plan.arks_mb_an_hour, plan.arks_cpu_seconds),
        ("shards of FLAC", plan.flac_mb_an_hour, plan.flac_cpu_seconds),
        ("files of Opus", plan.opus_mb_an_hour, plan.opus_cpu_seconds),
    ):
        node = plan.node_read_gb_a_second(mb)
        harder: str | float = plan.loader_cores(cpu + plan.augmentation_cpu_seconds)
        harder = "not possible" if name.startswith("arks") else harder
        disk = plan.speech_hours * mb / 1e6
        rows.append([name, disk, node, node * plan.gpus / plan.gpus_a_node, plan.loader_cores(cpu), harder])
    columns = ["speech as", "TB", "GB/s a node", "GB/s in all", "loader cores a GPU", "with augmentation"]
    return table(columns, rows)


def figures(plan: Plan) -> str:
    """Text, memory and time."""
    # text, phones (three bytes each, with a space) and utt2lang, with ids and line ends
    directory = 3 * (plan.name_bytes + 2) + plan.text_bytes + 3 * plan.phones + 2
    core_hours = plan.sentences * plan.stages_cpu_seconds / 1e6 / 3600
    fsdp = (4 + 16 / plan.gpus) * plan.parameters / 1e9  # beside its share, gathered weights
    share = plan.epoch_updates * plan.gpus * plan.batch_sentences / plan.sentences
    rows: list[list[str | float]] = [
        ["text: data directories, TB", plan.sentences * directory / 1e12],
        ["text: store, bytes a sentence", plan.store_bytes_a_sentence],
        ["text: store, TB", plan.sentences * plan.store_bytes_a_sentence / 1e12],
        ["text: writing the store, hours of one process", plan.store_hours],
        [f"text: stages 1 to 5 without it, hours of {shown(plan.processes)} processes", core_hours / plan.processes],
        ["text: read by each node, GB/s", plan.sentences_a_second * plan.store_bytes_a_sentence / 1e9],
        ["GPU: weights, gradients, their buckets, Adam, GB", BYTES_A_PARAMETER * plan.parameters / 1e9],
        ["GPU: the same with training.sharding: fsdp, GB", fsdp],
        ["GPU: parameters that fill half of it, millions", plan.gpu_gb / 2 * 1e3 / BYTES_A_PARAMETER],
        ["node: lengths of all utterances, GB", plan.node_lengths_gb],
        ["node: processes with their windows of text, GB", plan.node_processes_gb],
        ["update: gradients that a process sends, GB", plan.gradient_gb],
        ["update: sending them, ms", 1e3 * plan.gradient_seconds],
        ["update: all else, ms", 1e3 * plan.update_seconds],
        ["epoch of speech: updates", plan.epoch_updates],
        ["epoch of speech: hours", plan.epoch_updates * (plan.update_seconds + plan.gradient_seconds) / 3600],
        ["epoch of speech: text that is seen, %", 100 * share],
        ["epochs of speech until all text is seen", 1 / share],
    ]
    return table(["text, memory, time", ""], rows)


def breaks(plan: Plan) -> str:
    """Needs beside limits, the narrowest first."""
    flac = plan.node_read_gb_a_second(plan.flac_mb_an_hour)
    opus_cores = plan.loader_cores(plan.opus_cpu_seconds + plan.augmentation_cpu_seconds)
    cores = plan.loader_cores(plan.flac_cpu_seconds + plan.augmentation_cpu_seconds)
    sentences_gb = plan.sentences * (49 + plan.text_bytes + 8) / 1e9  # a string, and its place in a list
    start = plan.utterances * plan.start_us_an_utterance / 1e6 / 60
    look = plan.sentences / WINDOW * plan.look_seconds / 60
    training = plan.node_lengths_gb + plan.node_processes_gb
    needs: list[tuple[str, float, float]] = [
        ("stage 5 holds the text of all sets, GB", sentences_gb, plan.node_gb),
        ("one process writes the store, hours", plan.store_hours, plan.prepare_hours),
        ("start: the first one writes the stores of speech, minutes", start, plan.start_minutes),
        ("start: the first process looks through all text, minutes", look, plan.start_minutes),
        ("all processes in training, GB a node", training, plan.node_gb),
        ("loader processes a GPU, shards, augmentation", cores, plan.loaders_a_gpu),
        ("loader processes a GPU, Opus, augmentation", opus_cores, plan.loaders_a_gpu),
        ("cores a node, shards, augmentation", plan.gpus_a_node * (cores + 1), plan.node_cores),
        ("shards, GB/s a node", flac, plan.node_read_gb_s),
        ("shards, GB/s in all", flac * plan.gpus / plan.gpus_a_node, plan.cluster_read_gb_s),
        ("sending gradients beside the rest of an update, ms", 1e3 * plan.gradient_seconds, 1e3 * plan.update_seconds),
        ("each loader draws every window of text, s", plan.window_seconds, WINDOW / plan.sentences_a_second),
        ("weights and what belongs to them, GB a GPU", BYTES_A_PARAMETER * plan.parameters / 1e9, plan.gpu_gb),
    ]
    ordered = sorted(needs, key=lambda need: need[1] / need[2], reverse=True)
    rows = [[*need, need[1] / need[2]] for need in ordered]
    return table(["what breaks first: above 1 it does", "needed", "there", "share"], rows)


def report(plan: Plan) -> str:
    """All tables."""
    return "\n".join(part(plan) for part in (speech, figures, breaks))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for known in fields(Plan):
        words = known.metadata["help"]
        parser.add_argument(f"--{known.name.replace('_', '-')}", type=float, default=known.default, help=words)
    print(report(Plan(**vars(parser.parse_args()))), end="")


if __name__ == "__main__":
    main()

"""Stage 9: how well speech and text states align on every shared layer, heat maps, and the report."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from jointst.analysis.along import models_along
from jointst.analysis.layers import PAIRINGS, LayerTotals, alarms, choose_partners
from jointst.analysis.plots import HeatPanel, heat_map, save
from jointst.analysis.report import build_report
from jointst.analysis.times import BatchTimes
from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.common.threads import set_threads
from jointst.common.units import Seconds, frames_to_seconds
from jointst.config.context import Context, Made
from jointst.data.batch import PairedBatch
from jointst.data.dataset import PairedSet, in_order, read_directories
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.names import Names
from jointst.kaldi.phone_times import PhoneTime, read_phone_times
from jointst.models.build import Trained, load_trained
from jointst.models.joint import Encoded
from jointst.nn.text_encoder import repeats_of
from jointst.ops.alignment import best_alignment
from jointst.ops.distance import normalise, pairwise_l2
from jointst.scoring.table import Cell, percent, table

LONGEST_NAME = 150
"""Bytes of an id in the name of a file; file systems take 255, with all that is put around it."""


def run(context: Context) -> Made:
    """Measure the dev sets, draw heat maps, print the layer table and any alarm, and build the report.

    Writes ``align/layers.json``, ``layers.txt``, ``heat_<utterance>.svg`` and ``.png``, and ``report.html``.

    Raises:
        DataError: no trained model, or dev sets without features.
    """
    set_threads(None)
    trained = load_trained(context)
    directories = read_directories(context.data, context.config.data.dev)
    paired = PairedSet(
        directories,
        trained.symbols,
        may_lack=context.config.features.max_failures > 0,
        durations=trained.config.durations_folder,
    )
    folder = context.exp / "align"
    folder.mkdir(parents=True, exist_ok=True)
    times = _phone_times(directories, trained)
    result = measure(context, trained, paired, folder, times)
    result["along"] = measure_along(context, trained, paired, times) if context.config.align.along else []
    texts = Names(directories).table(directories, lambda directory: directory.text)
    for item in result["heat_maps"]:
        item["text"] = texts[item["utterance"]]
    text = layers_text(result)
    write_atomically(folder / "layers.txt", text)
    write_atomically(folder / "layers.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(text, end="", flush=True)
    for alarm in result["alarms"]:
        print(f"WARNING: {alarm}", file=sys.stderr)
    drawn = {Path(item["file"]).stem for item in result["heat_maps"]}
    for path in folder.glob("heat_*"):
        if path.stem not in drawn:  # of an earlier run
            path.unlink()
    report = build_report(context)
    return Made(what=f"{len(result['layers'])} layers, {len(result['heat_maps'])} heat maps, the report", where=report)


def _phone_times(directories: Sequence[DataDirectory], trained: Trained) -> dict[str, list[PhoneTime]]:
    """When the phones of the dev sets are spoken, where that is known and the text encoder reads phones."""
    if trained.symbols.text_input != "phones":
        return {}
    return Names(directories).table(directories, lambda directory: read_phone_times(directory.path))


@torch.inference_mode()
def measure(
    context: Context,
    trained: Trained,
    paired: PairedSet,
    folder: Path | None = None,
    times: Mapping[str, Sequence[PhoneTime]] | None = None,
) -> dict[str, Any]:
    """The numbers of every shared layer over the dev sets, for JSON.

    Args:
        context: of the experiment.
        trained: the model to measure.
        paired: the dev sets.
        folder: where to draw heat maps; None for none.
        times: ``phone_times`` of its utterances, as far as they are known.
    """
    config = context.config
    generator = torch.Generator().manual_seed(config.align.seed)
    totals = [LayerTotals(name=name) for name in trained.model.layer_names]
    wanted = config.align.heat_maps if folder is not None else 0
    heat_maps: list[dict[str, str]] = []
    same_language, drawn = 0, _Drawn(wanted, paired.languages)
    batches = list(in_order(paired, config.decoding.batch_utterances, config.align.utterances))
    for batch in progress(batches, desc="align", unit="batch"):
        moved = batch.to(trained.device)
        speech = trained.model.encode_speech(moved.features, moved.feature_lengths, moved.languages)
        text = trained.model.encode_text(moved.phones, moved.phone_lengths, moved.durations, moved.languages)
        phones = [row[:length].tolist() for row, length in zip(batch.phones, batch.phone_lengths, strict=True)]
        partners, same = choose_partners(batch.languages, phones, generator)
        same_language += same
        truth = _truth(trained, batch, times) if times else None
        for layer, speech_states, text_states in zip(totals, speech.states, text.states, strict=True):
            layer.add(speech_states, text_states, speech.lengths, text.lengths, partners, generator, truth)
        for i in drawn.choose(batch.languages):
            assert folder is not None
            taken = {Path(item["file"]).stem for item in heat_maps}
            heat_maps.append(_draw(trained, batch, i, speech, text, folder / _stem(batch.utterances[i], taken)))
    layers = [layer.summary() for layer in totals]
    return {
        "sets": list(config.data.dev),
        "utterances": layers[0]["utterances"],
        "mismatched_pairs": layers[0]["mismatched_pairs"],
        "mismatched_of_the_same_language": same_language,
        "layers": layers,
        "alarms": alarms(layers, config.training.collapse_spread),
        "heat_maps": heat_maps,
    }


def measure_along(
    context: Context, trained: Trained, paired: PairedSet, times: Mapping[str, Sequence[PhoneTime]]
) -> list[dict[str, Any]]:
    """The layers before training and at each checkpoint, for JSON: ``name``, ``update``, ``layers``."""
    return [
        {"name": name, "update": update, "layers": measure(context, model, paired, times=times)["layers"]}
        for name, update, model in models_along(context, trained)
    ]


def _truth(trained: Trained, batch: PairedBatch, times: Mapping[str, Sequence[PhoneTime]]) -> BatchTimes:
    symbols = [_symbols(trained, batch, i) for i in range(len(batch.utterances))]
    repeats = repeats_of(trained.config.model.text_encoder, batch.phones.shape, batch.durations, training=False)
    counts = [row[: len(read)].tolist() for row, read in zip(repeats, symbols, strict=True)]
    return BatchTimes.of(batch.utterances, symbols, counts, times, _seconds_per_position(trained))


class _Drawn:
    """Which utterances to draw: one of each language, until there are enough."""

    def __init__(self, wanted: int, languages: Sequence[str]) -> None:
        self._each = -(-wanted // max(len(set(languages)), 1))
        self._left = wanted
        self._count: dict[str, int] = {}

    def choose(self, languages: Sequence[str]) -> list[int]:
        chosen = []
        for i, lang in enumerate(languages):
            if self._left and self._count.get(lang, 0) < self._each:
                self._count[lang] = self._count.get(lang, 0) + 1
                self._left -= 1
                chosen.append(i)
        return chosen


def _stem(utterance: str, taken: set[str]) -> str:
    """Name of a heat map's files, another one for each utterance; ids may hold what names of files may not."""
    plain = "heat_" + re.sub(r"[^\w.+-]", "_", utterance).encode()[:LONGEST_NAME].decode(errors="ignore")
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}_{number}"
    return name


def _draw(trained: Trained, batch: PairedBatch, i: int, speech: Encoded, text: Encoded, path: Path) -> dict[str, str]:
    """Draw utterance ``i`` of a batch: layer-normalised distances and the best path on them."""
    frames, positions = speech.lengths[i : i + 1], text.lengths[i : i + 1]
    panels = []
    for name, s, t in zip(trained.model.layer_names, speech.states, text.states, strict=True):
        s, t = normalise(s[i : i + 1, : int(frames)]), normalise(t[i : i + 1, : int(positions)])
        distance = pairwise_l2(s, t) * s.shape[-1] ** -0.5
        index, _ = best_alignment(distance, frames, positions)
        panels.append(HeatPanel(layer=name, distance=distance[0].cpu().numpy(), path=index[0].cpu().numpy()))
    figure = heat_map(panels, _seconds_per_position(trained), _symbols(trained, batch, i))
    save(figure, path)
    return {"utterance": batch.utterances[i], "language": batch.languages[i], "file": f"{path.name}.svg"}


def _seconds_per_position(trained: Trained) -> Seconds:
    return frames_to_seconds(trained.config.model.rows_per_position, trained.config.row)


def _symbols(trained: Trained, batch: PairedBatch, i: int) -> list[str]:
    """What the text encoder read for utterance ``i``."""
    ids = batch.phones[i, : int(batch.phone_lengths[i])].tolist()
    if trained.symbols.text_input == "pieces":
        return trained.symbols.tokenizer.pieces(ids)
    return [trained.symbols.phones.symbols[j] for j in ids]


def layers_text(result: dict[str, Any]) -> str:
    """The layer table in plain text, from ``layers.json``."""
    rows: list[list[Cell]] = []
    for layer in result["layers"]:
        raw = [layer["raw"][pairing] for pairing in PAIRINGS]
        normalised = [layer["normalised"][pairing] for pairing in PAIRINGS]
        spread = layer["spread"]
        rows.append(
            [layer["layer"], *raw, *normalised, layer["coverage"], layer["norm"]["speech"], layer["norm"]["text"],
             spread["speech"], spread["text"]]
        )  # fmt: skip
    names = ["best", "frame", "random", "mismatch"]
    share = f"{result['mismatched_of_the_same_language']} of {result['mismatched_pairs']}"
    distances = table(
        ["layer", *names, *names, "text", "speech", "text", "speech", "text"],
        rows,
        title=(
            f"distance of speech to text states, {result['utterances']} utterances of {' '.join(result['sets'])} "
            f"(mismatched pairs of one language: {share})"
        ),
        groups=[("", 1), ("L2", 4), ("layer-normalised", 4), ("cover", 1), ("norm", 2), ("spread", 2)],
    )
    return distances + _times_text(result)


def _times_text(result: dict[str, Any]) -> str:
    """Errors in time of every layer before, along and after the training; empty where no phone's time is known."""
    points = [*result["along"], {"name": "after training", "layers": result["layers"]}]
    if result["layers"][0]["times"] is None:
        return ""
    rows: list[list[Cell] | None] = []
    for point in points:
        for layer in point["layers"]:
            found = layer["times"]["best"]
            shares = [percent(found[key]) for key in ("within_50_ms", "within_100_ms")]
            raw = layer["times"]["best_raw"]["median_ms"]
            rows.append([point["name"], layer["layer"], found["median_ms"], *shares, found["bias_ms"], raw])
    controls = result["layers"][0]["times"]
    for key, name in (("framewise", "frame-wise"), ("random", "random"), ("grid", "true starts, rounded")):
        found = controls[key]
        shares = [percent(found[share]) for share in ("within_50_ms", "within_100_ms")]
        rows.append([name, "", found["median_ms"], *shares, found["bias_ms"], None])
    return "\n" + table(
        ["model", "layer", "median", "50 ms", "100 ms", "late by", "plain"],
        rows,
        title=(
            f"how far the best alignment is off where phones begin, in ms, {controls['best']['phones']} phones; "
            "shares within 50 and 100 ms in %; late by: median with its sign; plain: median without normalising states"
        ),
        left=2,
        decimals=0,
    )

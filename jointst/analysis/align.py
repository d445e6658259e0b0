"""Stage 9: how well speech and text states align on every shared layer, heat maps, and the report."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from jointst.analysis.layers import PAIRINGS, LayerTotals, alarms, choose_partners
from jointst.analysis.plots import HeatPanel, heat_map, save
from jointst.analysis.report import build_report
from jointst.build import Trained, load_trained
from jointst.data.batch import PairedBatch
from jointst.data.dataset import PairedSet, in_order, read_directories
from jointst.models.joint import Encoded
from jointst.ops.alignment import best_alignment
from jointst.ops.distance import normalise, pairwise_l2
from jointst.progress import progress
from jointst.scoring.table import Cell, table
from jointst.stage import Context, Made, write_atomically
from jointst.threads import set_threads
from jointst.units import Seconds, frames_to_seconds


def run(context: Context) -> Made:
    """Measure the dev sets, draw heat maps, print the layer table and any alarm, and build the report.

    Writes ``align/layers.json``, ``layers.txt``, ``heat_<utterance>.svg`` and ``.png``, and ``report.html``.

    Raises:
        DataError: no trained model, or dev sets without features.
    """
    set_threads(None)
    trained = load_trained(context)
    directories = read_directories(context.data, context.config.data.dev)
    paired = PairedSet(directories, trained.symbols, may_lack=context.config.features.max_failures > 0)
    folder = context.exp / "align"
    folder.mkdir(parents=True, exist_ok=True)
    result = measure(context, trained, paired, folder)
    texts = {utterance: text for directory in directories for utterance, text in directory.text.items()}
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


@torch.inference_mode()
def measure(context: Context, trained: Trained, paired: PairedSet, folder: Path) -> dict[str, Any]:
    """The numbers of every shared layer over the dev sets, for JSON; draws the heat maps on the way."""
    config = context.config
    generator = torch.Generator().manual_seed(config.align.seed)
    totals = [LayerTotals(name=name) for name in trained.model.layer_names]
    same_language, heat_maps, drawn = 0, [], _Drawn(config.align.heat_maps, paired.languages)
    batches = list(in_order(paired, config.decoding.batch_utterances, config.align.utterances))
    for batch in progress(batches, desc="align", unit="batch"):
        moved = batch.to(trained.device)
        speech = trained.model.encode_speech(moved.features, moved.feature_lengths, moved.languages)
        text = trained.model.encode_text(moved.phones, moved.phone_lengths, languages=moved.languages)
        phones = [row[:length].tolist() for row, length in zip(batch.phones, batch.phone_lengths, strict=True)]
        partners, same = choose_partners(batch.languages, phones, generator)
        same_language += same
        for layer, speech_states, text_states in zip(totals, speech.states, text.states, strict=True):
            layer.add(speech_states, text_states, speech.lengths, text.lengths, partners, generator)
        for i in drawn.choose(batch.languages):
            heat_maps.append(_draw(trained, batch, i, speech, text, folder))
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


def _draw(trained: Trained, batch: PairedBatch, i: int, speech: Encoded, text: Encoded, folder: Path) -> dict[str, str]:
    """Draw utterance ``i`` of a batch: layer-normalised distances and the best path on them."""
    frames, positions = speech.lengths[i : i + 1], text.lengths[i : i + 1]
    panels = []
    for name, s, t in zip(trained.model.layer_names, speech.states, text.states, strict=True):
        s, t = normalise(s[i : i + 1, : int(frames)]), normalise(t[i : i + 1, : int(positions)])
        distance = pairwise_l2(s, t) * s.shape[-1] ** -0.5
        index, _ = best_alignment(distance, frames, positions)
        panels.append(HeatPanel(layer=name, distance=distance[0].cpu().numpy(), path=index[0].cpu().numpy()))
    utterance = batch.utterances[i]
    stem = "heat_" + re.sub(r"[^\w.+-]", "_", utterance)
    figure = heat_map(panels, _seconds_per_position(trained), _symbols(trained, batch, i))
    save(figure, folder / stem)
    return {"utterance": utterance, "language": batch.languages[i], "file": f"{stem}.svg"}


def _seconds_per_position(trained: Trained) -> Seconds:
    return frames_to_seconds(trained.config.model.subsampling, trained.config.features.hop)


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
    return table(
        ["layer", *names, *names, "text", "speech", "text", "speech", "text"],
        rows,
        title=(
            f"distance of speech to text states, {result['utterances']} utterances of {' '.join(result['sets'])} "
            f"(mismatched pairs of one language: {share})"
        ),
        groups=[("", 1), ("L2", 4), ("layer-normalised", 4), ("cover", 1), ("norm", 2), ("spread", 2)],
    )

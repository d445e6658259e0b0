"""All that a comparison found, as JSON: enough to print its tables and to judge by it, without the cells."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from jointst.common.units import Minutes
from jointst.comparison.cell import Outcome
from jointst.comparison.collect import (
    ALL,
    TEXT_ONLY,
    CellScores,
    Line,
    errors_of,
    read_cell,
    read_json,
    recall_of,
    utterances_of,
)
from jointst.comparison.evidence import DECODER
from jointst.comparison.grid import Cell, Control, Grid
from jointst.comparison.pays import by_share
from jointst.kaldi.part import spoken_minutes
from jointst.scoring.significance import (
    Errors,
    Samples,
    bootstrap,
    holm,
    matched_pairs,
    relative_change,
    share_interval,
)
from jointst.training.pace import Paces

PAIRINGS = ("best", "framewise", "random", "mismatched")
PARTS = (ALL, "seen", "unseen", TEXT_ONLY)
KIND = "comparison"
"""What the file says it holds."""

Results = dict[str, list[CellScores]]
"""System to the scores of its finished seeds."""


def summarise(
    grid: Grid,
    cells: Mapping[Control, Sequence[Cell]],
    outcomes: Mapping[str, Outcome],
    budgets: Mapping[Control, str],
    paces: Paces,
) -> dict[str, Any]:
    """The summary of a comparison, finished or not.

    Args:
        grid: what is compared.
        cells: of each control.
        outcomes: how each cell ended, by its key.
        budgets: what is equal under each control, in words.
        paces: seconds of an update of each system, where they were measured.

    Raises:
        DataError: what a finished cell has left is damaged.
    """
    scores = {cell.key: read_cell(cell) for own in cells.values() for cell in own if not cell.left()}
    versions = next((own.versions for own in scores.values()), {})
    found = {
        "kind": KIND,
        "name": grid.name,
        "recipe": Path.cwd().name,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "grid": asdict(grid),
        "dev_sets": dev_sets(grid),
        "paired_minutes": paired_minutes(grid),
        "commits": sorted({str(own.versions.get("git_commit")) for own in scores.values()}),
        "python": versions.get("python"),
        "torch": versions.get("packages", {}).get("torch"),
        "changed_since_commit": any(own.versions.get("git_dirty") for own in scores.values()),
        "hardware": sorted({outcome.hardware for outcome in outcomes.values() if outcome.hardware}),
        "paces": paces,
        "controls": {
            control: {
                "budget": budgets[control],
                "cells": [_cell(cell, outcomes[cell.key], scores.get(cell.key)) for cell in own],
                "tables": _tables(grid, _by_system(grid, own, scores)),
                "dev_losses": {
                    name: [seed.dev_losses for seed in seeds] for name, seeds in _by_system(grid, own, scores).items()
                },
                "by_share": _by_share(grid, _by_system(grid, own, scores)),
                "layers": _layers(own) if grid.align else {},
                "probes": _probes(own) if grid.probe else {},
            }
            for control, own in cells.items()
        },
    }
    return {key: _rounded(value) for key, value in found.items()}


def paired_minutes(grid: Grid) -> Minutes:
    """How much paired speech its systems hear."""
    context = grid.base(grid.systems[0])
    return spoken_minutes(context.config, context.data)


def dev_sets(grid: Grid) -> list[str]:
    """Test sets that are dev sets, too: what is measured on them may choose settings, and judges no claim."""
    data = grid.base(grid.systems[0]).config.data
    return sorted(set(data.test) & set(data.dev))


def _rounded(value: Any) -> Any:
    """Numbers with five digits: the file is kept in the repository."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def _by_system(grid: Grid, cells: Sequence[Cell], scores: Mapping[str, CellScores]) -> Results:
    found = {name: [scores[c.key] for c in cells if c.system == name and c.key in scores] for name in grid.systems}
    return {name: seeds for name, seeds in found.items() if seeds}


def _cell(cell: Cell, outcome: Outcome, scores: CellScores | None) -> dict[str, Any]:
    return {
        "system": cell.system,
        "seed": cell.seed,
        "key": cell.key,
        "status": "finished" if scores is not None else outcome.status,
        "message": "" if scores is not None else outcome.message,
        "log": str(cell.log),
        "updates": None if scores is None else scores.updates,
        "hours": None if scores is None else round(scores.seconds / 3600, 4),
    }


def _layers(cells: Sequence[Cell]) -> dict[str, list[list[dict[str, Any]]]]:
    """System to the layers of each finished seed, after and before its training; without those that had no control."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for cell in cells:
        if not cell.left():
            result = read_json(cell.context.exp / "align" / "layers.json", cell, "align")
            if not result["mismatched_pairs"]:
                continue  # too few dev utterances to pair one with another's text
            first = next((point["layers"] for point in result["along"] if point["update"] == 0), None)
            before = [None] * len(result["layers"]) if first is None else [_layer(layer) for layer in first]
            kept = [{**_layer(layer), "before": own} for layer, own in zip(result["layers"], before, strict=True)]
            found.setdefault(cell.system, []).append(kept)
    return found


def _probes(cells: Sequence[Cell]) -> dict[str, list[dict[str, Any]]]:
    """System to what the probes of each finished seed found: chance and accuracy by layer, for each task."""
    found: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        if not cell.left():
            tasks = read_json(cell.context.exp / "probe" / "probe.json", cell, "probe")["tasks"]
            kept = {
                name: {"chance": task["chance"], "accuracy": {own["layer"]: own["accuracy"] for own in task["layers"]}}
                for name, task in tasks.items()
                if "layers" in task
            }
            found.setdefault(cell.system, []).append(kept)
    return {system: seeds for system, seeds in found.items() if all(seeds)}


def _layer(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Mean distance of layer-normalised states under each pairing, how different speech states are from each other, and
    what is known of the best alignment's times."""
    times = layer["times"] and {key: layer["times"][key]["median_ms"] for key in ("best", "framewise")}
    distances = {pairing: layer["normalised"][pairing] for pairing in PAIRINGS}
    spread = layer["spread"]["speech"]
    coverage = layer["coverage_normalised"]
    return {"layer": layer["layer"], **distances, "coverage": coverage, "spread": spread, "median_ms": times}


def _tables(grid: Grid, results: Results) -> list[dict[str, Any]]:
    """A table for each test set, decoder that all systems have, and part of the set that has utterances."""
    if not results:
        return []
    first = next(iter(results.values()))[0]
    hidden = {code for name in results for code in grid.base(name).config.data.text_only_languages}
    found = []
    shared = [set(grid.base(name).config.model.decoders) for name in results]
    for name, decoder in sorted(first.lines):
        if not all(decoder in decoders for decoders in shared):
            continue  # a pretrained encoder that hears whole utterances leaves no streaming decoder
        for part in PARTS:
            utterances = utterances_of([first.lines[name, decoder]], part, hidden)
            if not utterances or (part != ALL and len(utterances) == len(first.lines[name, decoder])):
                continue  # a part that is all of it
            systems = _systems(grid, results, (name, decoder), utterances)
            found.append(
                {"set": name, "decoder": decoder, "part": part, "utterances": len(utterances), "systems": systems}
            )
    return found


def _by_share(grid: Grid, results: Results) -> dict[str, list[dict[str, Any]]]:
    """Test set to changes on utterances with a like share of words never heard."""
    found = {}
    for key in sorted({key for seeds in results.values() for seed in seeds for key in seed.lines}):
        rows = by_share(results, key, grid.path) if key[1] == DECODER else []
        if rows:
            found[key[0]] = rows
    return found


def _systems(
    grid: Grid, results: Results, key: tuple[str, str], utterances: Sequence[str]
) -> dict[str, dict[str, Any]]:
    lines = {name: [seed.lines.get(key, {}) for seed in seeds] for name, seeds in results.items()}
    errors = {name: errors_of(own, utterances, grid.path) for name, own in lines.items()}
    samples = dict(zip(errors, bootstrap(list(errors.values()))))
    table: dict[str, dict[str, Any]] = {}
    for name, seeds in results.items():
        speeds = [seed.rtfx[key] for seed in seeds if key in seed.rtfx]
        table[name] = {
            "seeds": len(seeds),
            "rates": errors[name].rates(),
            "intervals": samples[name].intervals(),
            "seed_macro": [
                Errors(errors=row[None], lengths=errors[name].lengths, languages=errors[name].languages)
                .rates()
                .get("macro")
                for row in errors[name].errors
            ],
            "recall": _recall(lines[name], utterances),
            "updates": round(float(np.median([seed.updates for seed in seeds]))),
            "hours": round(float(np.median([seed.seconds for seed in seeds])) / 3600, 4),
            "rtfx": round(float(np.median(speeds)), 1) if speeds else None,
            "against": {other: _against(name, other, errors, samples) for other in results if other != name},
        }
    _adjust(table, grid.baseline)
    return table


def _recall(lines: Sequence[Mapping[str, Line]], utterances: Sequence[str]) -> dict[str, Any] | None:
    """Recall of words never heard in training; None where there are none."""
    hits, occurrences = recall_of([dict(own) for own in lines], utterances)
    if not occurrences.sum():
        return None
    share = float(hits.sum(1).mean() / occurrences.sum())
    return {"share": share, "interval": share_interval(hits, occurrences), "occurrences": int(occurrences.sum())}


def _against(name: str, other: str, errors: Mapping[str, Errors], samples: Mapping[str, Samples]) -> dict[str, Any]:
    ours, theirs = errors[name].rates(), errors[other].rates()
    pairs = matched_pairs(errors[name], errors[other])
    kinds = [kind for kind in ("macro", "pooled") if kind in ours and kind in theirs]
    return {
        "change": {kind: relative_change(ours[kind], theirs[kind]) for kind in kinds},
        "intervals": samples[name].change(samples[other]).intervals(),
        "difference": pairs.difference,
        "mapsswe": pairs.mapsswe,
        "permutation": pairs.permutation,
    }


def _adjust(table: Mapping[str, dict[str, Any]], baseline: str) -> None:
    """Add the P values against the baseline, adjusted for there being several systems."""
    rows = [row["against"][baseline] for row in table.values() if baseline in row["against"]]
    for row, adjusted in zip(rows, holm([row["mapsswe"] for row in rows])):
        row["holm"] = adjusted

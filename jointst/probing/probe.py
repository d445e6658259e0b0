"""``jointst probe``: what each layer still knows of speaker, language and phone, by linear probes of frozen states;
also of age, gender and emotion where a corpus states them (jointst/kaldi/labels.py).

If consistency makes speech states like text states, what text has no trace of (the voice) should fade; these probes
measure whether it does, and what it costs.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from functools import partial
from typing import Any

from jointst.analysis.plots import probe_curves, save
from jointst.common.files import write_atomically
from jointst.common.threads import set_threads
from jointst.config.context import Context, Made
from jointst.data.dataset import PairedSet, read_directories
from jointst.kaldi.labels import read_labels
from jointst.kaldi.names import Names
from jointst.kaldi.phone_times import read_phone_times
from jointst.models.build import load_trained
from jointst.probing.states import States, collect
from jointst.probing.tasks import (
    Score,
    TooFewExamples,
    age_class,
    probe_frames,
    probe_labels,
    probe_utterances,
)
from jointst.scoring.table import Cell, percent, table


def run(context: Context) -> Made:
    """Probe the layers of the trained model.

    Writes ``probe/probe.json``, ``probe.txt``, and the figure ``probe.svg`` and ``.png``.

    Raises:
        DataError: no trained model, or sets without features.
    """
    set_threads(None)
    trained = load_trained(context)
    config = context.config.probe
    names = config.sets or context.config.data.train
    directories = read_directories(context.data, names)
    durations = trained.config.durations_folder
    may_lack = context.config.features.max_failures > 0
    paired = PairedSet(directories, trained.symbols, may_lack=may_lack, durations=durations)
    called = Names(directories)
    times = called.table(directories, lambda directory: read_phone_times(directory.path))
    speakers = called.table(directories, lambda directory: directory.utt2spk)
    batch = context.config.decoding.batch_utterances
    states = collect(trained, paired, times, batch=batch, limit=config.utterances)
    labels = {name: called.table(directories, partial(read_labels, name=name)) for name in config.labels}
    tasks = _tasks(context, states, speakers, {name: found for name, found in labels.items() if found})
    result: dict[str, Any] = {
        "sets": list(names),
        "utterances": len(states.utterances),
        "splits": config.splits,
        "phones_from": "phone_times" if states.times else "the best alignment at the last shared layer",
        "tasks": tasks,
    }
    folder = context.exp / "probe"
    text = probe_text(result)
    write_atomically(folder / "probe.txt", text)
    write_atomically(folder / "probe.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    measured = {name: task for name, task in tasks.items() if "layers" in task}
    if measured:
        save(probe_curves(measured), folder / "probe")
    print(text, end="", flush=True)
    return Made(what=f"{len(measured)} probes of {len(states.utterances)} utterances", where=folder)


def _tasks(
    context: Context, states: States, speakers: dict[str, str], labels: dict[str, dict[str, str]]
) -> dict[str, Any]:
    config = context.config.probe
    voices = [speakers.get(utterance, "") for utterance in states.utterances]
    tasks: dict[str, Any] = {}
    for name, side, classes in (
        ("speaker", states.speech, voices),
        ("language", states.speech, states.languages),
        ("language of text", states.text, states.languages),
    ):
        counts = Counter(classes)
        if sum(count > 1 for count in counts.values()) < 2:
            tasks[name] = {"skipped": f"fewer than two classes with two utterances each ({len(counts)} in all)"}
            continue
        tasks[name] = _record(*probe_utterances(side, classes, config))
    for name, found in labels.items():
        stated = [found.get(utterance, "") for utterance in states.utterances]
        if name == "age":
            stated = [age_class(age, config.age_bounds) for age in stated]
        try:
            tasks[name] = _record(*probe_labels(states.speech, stated, voices, config))
        except TooFewExamples as error:
            tasks[name] = {"skipped": str(error)}
    for name, side in (("phone", states.speech), ("phone of text", states.text)):
        if all(phones is None for phones in side.phones):
            tasks[name] = {"skipped": "the text encoder reads pieces, and there are no phone_times"}
            continue
        try:
            tasks[name] = _record(*probe_frames(side, states.languages, config))
        except TooFewExamples as error:
            tasks[name] = {"skipped": str(error)}
    return tasks


def _record(classes: int, scores: list[Score]) -> dict[str, Any]:
    return {"classes": classes, "chance": 1 / classes, "layers": [dataclasses.asdict(score) for score in scores]}


def probe_text(result: dict[str, Any]) -> str:
    """The table of a result in plain text."""
    tasks = {name: task for name, task in result["tasks"].items() if "layers" in task}
    layers = list(dict.fromkeys(score["layer"] for task in tasks.values() for score in task["layers"]))
    rows: list[list[Cell] | None] = []
    for layer in layers:
        cells: list[Cell] = [layer]
        for task in tasks.values():
            found = next((score for score in task["layers"] if score["layer"] == layer), None)
            cells.append("-" if found is None else f"{percent(found['accuracy'])} ± {percent(found['interval'])}")
        rows.append(cells)
    rows.append(None)
    rows.append(["chance", *(percent(task["chance"]) for task in tasks.values())])
    rows.append(["classes", *(task["classes"] for task in tasks.values())])
    title = (
        f"macro accuracy of linear probes, %, with 95 % intervals over {result['splits']} splits; "
        f"{result['utterances']} utterances of {' '.join(result['sets'])}; phones of speech by {result['phones_from']}"
    )
    text = table(["layer", *tasks], rows, title=title)
    skipped = [f"{name}: {task['skipped']}\n" for name, task in result["tasks"].items() if "skipped" in task]
    return text + "".join(f"not measured: {line}" for line in skipped)

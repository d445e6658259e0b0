"""``jointst durations``: how long each phone is, for text injection with given durations (as MAESTRO, 2204.03409).

Speech is aligned with its phones by the states of this experiment's model, which needs nothing but paired speech to be
trained on (loss.text: 0). A small model learns these durations and predicts those of unpaired text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from jointst.analysis.times import summarise, true_starts
from jointst.common.errors import ConfigError
from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.common.threads import set_threads
from jointst.common.units import frames_to_seconds
from jointst.config.context import Context, Made
from jointst.data.dataset import PairedSet, TextSet, in_order, read_directories
from jointst.durations import forced, predictor
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.durations import write_durations
from jointst.kaldi.part import only, spoken_part
from jointst.kaldi.phone_times import read_phone_times
from jointst.models.build import Trained, load_trained
from jointst.probing.linear import LinearProbe


def run(context: Context) -> Made:
    """Align every training and development set, copies at other speeds included, and predict for unpaired text.

    Of the paired training speech, what ``data.paired_minutes`` and ``data.text_only_languages`` leave.

    Writes ``durations/<set>`` (see :mod:`jointst.kaldi.durations`), ``durations/model.safetensors`` and, last,
    ``durations/durations.json``: the error of both in milliseconds, where true times are known.

    Raises:
        ConfigError: the text encoder reads pieces, the model has no such layer, or two sets end alike.
        DataError: no trained model, or sets without features or phones.
    """
    set_threads(None)
    trained, data, config = load_trained(context), context.config.data, context.config.durations
    if trained.symbols.text_input != "phones":
        raise ConfigError("tokenizer.text_input", "is pieces: durations are those of phones", "phones")
    _check_names(context)
    folder = context.exp / "durations"
    speeds = context.config.features.speed_perturbation
    part = spoken_part(context.config, context.data)
    training = only(read_directories(context.data, data.train, speeds), part)
    training += read_directories(context.data, data.pseudo)
    heard = _paired(context, trained, only(read_directories(context.data, data.train), part))
    probe = _train(context, trained, heard)
    phones: list[Tensor] = []
    counted: list[Tensor] = []
    for directory in training:
        found = _align(context, trained, directory, probe)
        write_durations(folder, directory.path.name, {key: d.tolist() for key, (_, d, _) in found.items()})
        phones += [p for p, _, _ in found.values()]
        counted += [d for _, d, _ in found.values()]
    model = predictor.fit(
        phones, counted, trained.symbols.input_size, dim=config.dim, updates=config.updates, seed=config.seed
    )
    write_atomically(folder / "model.safetensors", save(model.state_dict()))
    report = _develop(context, trained, probe, model, (phones, counted), folder)
    for directory in read_directories(context.data, data.unpaired):
        texts = TextSet([directory], trained.symbols)
        predicted = dict(zip(texts.utterances, predictor.predict(model, list(texts.phones)), strict=True))
        write_durations(folder, directory.path.name, predicted)
    write_atomically(folder / "durations.json", json.dumps(report, indent=1) + "\n")
    return Made(what=_summary(report, len(phones)), where=folder)


def _check_names(context: Context) -> None:
    """Refuse sets whose durations would have one file."""
    data = context.config.data
    places: dict[str, str] = {}
    for name in (*data.train, *data.pseudo, *data.dev, *data.unpaired):
        other = places.setdefault(Path(name).name, name)
        if Path(other) != Path(name):
            problem = f"{other} and {name} end alike, and durations are kept by the last part"
            raise ConfigError("data", problem, "rename one, or name a link to it")


def _paired(context: Context, trained: Trained, directories: list[DataDirectory]) -> PairedSet:
    return PairedSet(directories, trained.symbols, may_lack=context.config.features.max_failures > 0)


@torch.inference_mode()
def _train(context: Context, trained: Trained, paired: PairedSet) -> LinearProbe:
    """The classifier of phones after the last round."""
    config, batch = context.config.durations, context.config.decoding.batch_utterances
    items = []
    for part in progress(list(in_order(paired, batch, config.utterances)), desc="durations: states", unit="batch"):
        items += forced.spoken(trained, part, config.layer)
    durations = forced.even(items)
    for _ in progress(range(config.rounds), desc="durations: rounds", unit="round"):
        probe = forced.fit(items, durations, trained.symbols.input_size, config.iterations)
        durations = forced.aligned(items, probe)
    return probe


@torch.inference_mode()
def _align(
    context: Context, trained: Trained, directory: DataDirectory, probe: LinearProbe
) -> dict[str, tuple[Tensor, Tensor, int]]:
    """Phones (P,), durations (P,) and positions of silence at the beginning of each utterance of a set."""
    found: dict[str, tuple[Tensor, Tensor, int]] = {}
    paired = _paired(context, trained, [directory])
    batches = list(in_order(paired, context.config.decoding.batch_utterances))
    for batch in progress(batches, desc=f"durations of {directory.path.name}", unit="batch"):
        items = forced.spoken(trained, batch, context.config.durations.layer)
        for item, durations in zip(items, forced.aligned(items, probe), strict=True):
            found[item.utterance] = (item.phones[1:-1], forced.without_silence(durations), int(durations[0]))
    return found


def _develop(
    context: Context,
    trained: Trained,
    probe: LinearProbe,
    model: predictor.DurationModel,
    heard: tuple[list[Tensor], list[Tensor]],
    folder: Path,
) -> dict[str, Any]:
    """Durations of the development sets, and how good both models are there."""
    seconds = frames_to_seconds(trained.config.model.rows_per_position, trained.config.row)
    errors: list[float] = []
    off = {"predicted": 0.0, "mean_of_phone": 0.0}
    count = 0
    means = _means(*heard, trained.symbols.input_size)
    for directory in read_directories(context.data, context.config.data.dev):
        found = _align(context, trained, directory, probe)
        write_durations(folder, directory.path.name, {key: d.tolist() for key, (_, d, _) in found.items()})
        times = read_phone_times(directory.path)
        names = trained.symbols.phones.symbols
        guesses = predictor.predict(model, [phones for phones, _, _ in found.values()])
        for (utterance, (phones, durations, lead)), guess in zip(found.items(), guesses, strict=True):
            if utterance in times:
                starts = true_starts([names[i] for i in phones.tolist()], times[utterance])
                found_starts = (durations.cumsum(0) - durations).numpy()
                found_starts[0] += lead  # the first phone's duration holds the silence before it
                late = seconds * found_starts - starts
                errors += late[~np.isnan(late)].tolist()
            off["predicted"] += float((torch.tensor(guess) - durations).abs().sum())
            off["mean_of_phone"] += float((means[phones] - durations).abs().sum())
            count += len(phones)
    milliseconds = {name: 1000 * seconds * value / max(count, 1) for name, value in off.items()}
    zero = sum(int((d == 0).sum()) for d in heard[1]) / max(1, sum(map(len, heard[1])))
    return {
        "layer": context.config.durations.layer,
        "alignment": summarise(errors) if errors else None,
        "mean_error_of_predicted_durations_ms": milliseconds,
        "share_of_phones_without_a_position": zero,
    }


def _means(phones: list[Tensor], durations: list[Tensor], symbols: int) -> Tensor:
    """Mean duration of each phone; 1 for one that never occurs."""
    ids, counts = torch.cat(phones), torch.cat(durations).float()
    total = torch.zeros(symbols).index_add_(0, ids, counts)
    number = torch.bincount(ids, minlength=symbols)
    return torch.where(number > 0, total / number.clamp_min(1), 1.0)


def _summary(report: dict[str, Any], utterances: int) -> str:
    what = f"durations of {utterances} utterances by {report['layer']}"
    found = report["alignment"]
    if found is not None:
        what += f", dev median {found['median_ms']:.0f} ms off, {100 * found['within_100_ms']:.0f} % within 100 ms"
    errors = report["mean_error_of_predicted_durations_ms"]
    return (
        what + f"; predicted within {errors['predicted']:.0f} ms on average (phone means {errors['mean_of_phone']:.0f})"
    )

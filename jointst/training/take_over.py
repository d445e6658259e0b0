"""What a training that begins takes from a trained model: weights by name, and their rows by symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch

from jointst.common.errors import ConfigError, DataError
from jointst.config import Config
from jointst.data.symbols import Symbols
from jointst.models.joint import JointModel
from jointst.nn.language_embedding import rows_of_languages
from jointst.text.lexicon import SPECIAL
from jointst.text.tokenizer import BLANK_PIECE, UNKNOWN_PIECE
from jointst.training.rows import Kind, Matched, match, row_kind, rows_of
from jointst.training.start_model import StartModel, shapes_of

SHAPING = (
    "dim",
    "full_context_dim",
    "feed_forward_multiplier",
    "kernel_size",
    "subsampling",
    "decoder.embedding_dim",
    "decoder.joint_dim",
    "decoder.context",
)
"""Settings of the model that give weights of the same name other shapes."""
FEATURES = ("sampling_rate", "mel_bins", "window", "hop", "cmvn")
"""Settings of features: an encoder that was trained on others hears something else."""
NAMED = 20
"""Symbols named in a line at most."""


@dataclass(frozen=True, kw_only=True)
class TakeOver:
    """What is taken, found to be possible before anything is written.

    Attributes:
        start: the model to start from.
        whole: weights that are taken as they are.
        mapped: weights that are taken row by row, with what their rows stand for.
        fresh: weights that keep the values they were drawn with.
        left: weights of the start that the new model has no place for.
        rows: how the rows of each kind match that is mapped.
        counts: values ``taken``, ``mapped``, ``fresh`` and ``left`` of each part of the model.
    """

    start: StartModel
    whole: list[str]
    mapped: dict[str, Kind]
    fresh: list[str]
    left: list[str]
    rows: dict[Kind, Matched]
    counts: dict[str, dict[str, int]]

    @torch.no_grad()
    def give(self, model: JointModel) -> None:
        """Put the start's values into a model with fresh weights."""
        own, taken = model.state_dict(), self.start.state
        for name in self.whole:
            own[name].copy_(taken[name])
        for name, kind in self.mapped.items():
            rows = self.rows[kind]
            own[name][rows.here] = taken[name][rows.there].to(own[name].dtype)

    def record(self) -> dict[str, Any]:
        """All of it as plain values, for ``started_from.json``."""
        return {
            "folder": str(self.start.folder),
            "sha256": self.start.sha256,
            "normalisation": "start",
            **{
                kind: {"of": len(rows.here) + len(rows.fresh), "mapped": len(rows.here)}
                | {"fresh": rows.fresh, "left": rows.left}
                for kind, rows in self.rows.items()
            },
            "parts": self.counts,
            "fresh_weights": self.fresh,
            "left_weights": self.left,
        }

    def warnings(self, config: Config) -> list[str]:
        """Sentences about fresh values that will not be learnt, or not at first."""
        found = [
            f"warning: training.freeze keeps the {self.counts[part]['fresh']} fresh values of {part}, rows of new "
            "symbols, as they were drawn: the model will not learn these symbols there"
            for part in config.training.freeze
            if part in self.counts and self.counts[part]["fresh"]
        ]
        band = config.model.decoder.band > 0 and any(".additive." in name for name in self.fresh)
        if band and config.loss.exact_updates == 0:
            found.append(
                "note: the additive joiners, which choose the band of the lattice, are fresh; loss.exact_updates "
                "trains on the whole lattice until they have learnt to"
            )
        return found

    def table(self) -> str:
        """What is taken, for people."""
        lines = [f"starting from {self.start.folder} (sha256 {self.start.sha256['weights'][:12]}), values by part:"]
        columns = ("taken", "mapped", "fresh", "left")
        lines.append("part                 " + "".join(f"{column:>11s}" for column in columns))
        for part, counts in self.counts.items():
            lines.append(f"{part:21s}" + "".join(f"{counts[column]:11d}" for column in columns))
        for kind, rows in self.rows.items():
            line = f"{kind}: {len(rows.here)} of {len(rows.here) + len(rows.fresh)} mapped by symbol"
            line += _named("fresh", rows.fresh) + _named("left", rows.left)
            lines.append(line)
        lines.append(
            "normalisation: mean and variance of the start, which its encoder was trained on, not those of the new data"
        )
        return "\n".join(lines)


def _named(what: str, symbols: Sequence[str]) -> str:
    if not symbols:
        return ""
    return f"; {len(symbols)} {what}: {' '.join(symbols[:NAMED])}" + (" ..." if len(symbols) > NAMED else "")


def take_over(start: StartModel, config: Config, symbols: Symbols) -> TakeOver:
    """Find out what a new model takes from a trained one; nothing is changed.

    Args:
        start: the trained model.
        config: settings of the new one.
        symbols: its symbol tables.

    Raises:
        ConfigError: settings under which the start's weights would mean something else.
        DataError: the models share no symbols, or a weight has another shape, or a part is to be frozen that the start
            lacks.
    """
    _check_meaning(start, config)
    new, old = rows_of(symbols, rows_of_languages()), rows_of(start.symbols, start.languages)
    rows: dict[Kind, Matched] = {kind: match(new[kind], old[kind]) for kind in new}
    _check_shared(start, new, rows)
    whole: list[str] = []
    mapped: dict[str, Kind] = {}
    fresh: list[str] = []
    shapes = shapes_of(config, symbols)
    misfits: list[str] = []
    for name, shape in shapes.items():
        kind = row_kind(name, config)
        if name not in start.state or kind != row_kind(name, start.config):
            fresh.append(name)
            continue
        first = 0 if kind is None else 1  # rows that stand for symbols may be more or fewer
        if shape[first:] != tuple(start.state[name].shape)[first:]:
            misfits.append(name)
        elif kind is None:
            whole.append(name)
        else:
            mapped[name] = kind
    if misfits:
        raise _misfit(misfits, shapes, start, config)
    _check_frozen(fresh, config, start)
    left = [name for name in start.state if name not in whole and name not in mapped]
    return TakeOver(
        start=start,
        whole=whole,
        mapped=mapped,
        fresh=fresh,
        left=left,
        rows={kind: found for kind, found in rows.items() if kind in mapped.values()},
        counts=_counts(shapes, start, whole, mapped, rows),
    )


def _counts(
    shapes: dict[str, tuple[int, ...]],
    start: StartModel,
    whole: Sequence[str],
    mapped: dict[str, Kind],
    rows: dict[Kind, Matched],
) -> dict[str, dict[str, int]]:
    """Values of each part: taken as they are, taken row by row, fresh, and left in the start."""
    counts: dict[str, dict[str, int]] = {}
    for name in dict.fromkeys((*shapes, *start.state)):
        part = counts.setdefault(name.split(".")[0], {"taken": 0, "mapped": 0, "fresh": 0, "left": 0})
        own = torch.Size(shapes.get(name, (0,))).numel()
        there = start.state[name].numel() if name in start.state else 0
        if name in whole:
            part["taken"] += own
            continue
        shared = 0
        if name in mapped:
            shared = own // shapes[name][0] * len(rows[mapped[name]].here)
        part["mapped"] += shared
        part["fresh"] += own - shared
        part["left"] += there - shared
    return counts


def _check_meaning(start: StartModel, config: Config) -> None:
    """Settings that no shape shows, and under which the same weights do something else."""
    for key in FEATURES:
        _same(f"features.{key}", getattr(config.features, key), getattr(start.config.features, key), start)
    for key in ("audio_encoder.kind", "audio_encoder.source", "audio_encoder.use", "heads", "decoder.kind"):
        _same(f"model.{key}", attrgetter(key)(config.model), attrgetter(key)(start.config.model), start)
    own, other = config.model.right_context, start.config.model.right_context
    if (own < 0) != (other < 0):  # convolutions are causal in the one and centred in the other
        _same("model.right_context", own, other, start)


def _same(key: str, own: Any, other: Any, start: StartModel) -> None:
    if own != other:
        problem = f"is {own}, and {other} in training.start_from {start.folder}, whose weights work with that alone"
        raise ConfigError(key, problem, f"--{key} {other}, or another start")


def _check_shared(start: StartModel, new: dict[Kind, list[str]], rows: dict[Kind, Matched]) -> None:
    special = {BLANK_PIECE, UNKNOWN_PIECE, *SPECIAL}
    kinds: tuple[Kind, Kind] = ("labels", "phones")
    if any(new[kind][index] not in special for kind in kinds for index in rows[kind].here):
        return
    own, other = (
        " ".join([s for s in table if s not in special][:5]) for table in (new["labels"], rows["labels"].left)
    )
    problem = f"shares no label and no phone with the new data: its labels are {other} ..., those of the data {own} ..."
    raise DataError(problem, path=start.folder, fix="start from a model of this language or writing, or afresh")


def _check_frozen(fresh: Sequence[str], config: Config, start: StartModel) -> None:
    frozen = [name for name in fresh if name.split(".")[0] in config.training.freeze]
    if frozen:
        raise DataError(
            f"lacks {frozen[0]}" + (f" and {len(frozen) - 1} weights more" if len(frozen) > 1 else "") + ", which "
            f"training.freeze ({frozen[0].split('.')[0]}) would keep as they were drawn at random",
            path=start.folder,
            fix="freeze other parts, or start from the experiment's own folder instead of a packed one"
            + (", or train without a band (--model.decoder.band 0)" if ".additive." in frozen[0] else ""),
        )


def _misfit(names: Sequence[str], shapes: dict[str, tuple[int, ...]], start: StartModel, config: Config) -> DataError:
    name = names[0]
    more = f", and {len(names) - 1} weights more differ" if len(names) > 1 else ""
    settings = [
        f"--model.{key} {attrgetter(key)(start.config.model)}"
        for key in SHAPING
        if attrgetter(key)(start.config.model) != attrgetter(key)(config.model)
    ]
    problem = f"{name} has the shape {tuple(start.state[name].shape)} there and {shapes[name]} here{more}"
    return DataError(problem, path=start.folder, fix=" ".join(settings) or "start from a model of the same form")

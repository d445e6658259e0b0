"""``jointst tune``: weights of the language models that make the fewest errors on the dev sets, never on a test set."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from jointst.common.errors import ConfigError
from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.common.threads import set_threads
from jointst.config import Decoder, TuneConfig
from jointst.config.context import Context, Made
from jointst.data.dataset import PairedSet, in_order, read_directories
from jointst.decoding.fusion import Weights
from jointst.decoding.language_models import read_language_model
from jointst.decoding.search import Search, digest_models, phrases_of, tuned_file
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.names import Names
from jointst.models.build import Trained, load_trained
from jointst.scoring.counts import score_utterances
from jointst.scoring.score import segment
from jointst.scoring.summary import summarise
from jointst.scoring.table import Cell, percent, table
from jointst.text.normalise import for_scoring

NO_LM = Weights()
RATES = ("error_rate", "wer_rate", "cer_rate")


@dataclass(frozen=True, kw_only=True)
class _Encoded:
    """One batch of the dev sets behind the encoders.

    Attributes:
        utterances: B ids.
        states: decoder to (B, T, D).
        lengths: (B,).
    """

    utterances: list[str]
    states: dict[Decoder, Tensor]
    lengths: Tensor


class Dev:
    """The dev sets, encoded once, and the error rates of a search on them.

    Args:
        trained: the model.
        directories: the dev sets.
        search: kind, width and language model; its weights are not used.
    """

    def __init__(self, trained: Trained, directories: list[DataDirectory], search: Search, *, may_lack: bool) -> None:
        self._trained = trained
        self._search = search
        self._known: dict[tuple[Decoder, str, Weights], dict[str, Any]] = {}
        paired = PairedSet(directories, trained.symbols, may_lack=may_lack)
        names, held = Names(directories), set(paired.utterances)
        texts = names.table(directories, lambda directory: directory.text)
        self._texts = {key: text for key, text in texts.items() if key in held}
        self._languages = names.table(directories, lambda directory: directory.utt2lang)
        self._path = directories[0].path / "text"
        self._batches = [self._encode(batch) for batch in in_order(paired, search.settings.batch_utterances)]

    @torch.inference_mode()
    def _encode(self, batch: Any) -> _Encoded:
        moved = batch.to(self._trained.device)
        encoded = self._trained.model.encode_speech(moved.features, moved.feature_lengths, moved.languages)
        states = {name: encoded.states_of(name) for name in self._trained.config.model.decoders}
        return _Encoded(utterances=batch.utterances, states=states, lengths=encoded.lengths)

    def rates(self, name: Decoder, kind: str, weights: Weights) -> dict[str, Any]:
        """Macro error rates and the pooled number of errors of one decoder.

        Args:
            name: of the decoder.
            kind: greedy or beam.
            weights: of the language models.
        """
        key = (name, kind, weights)
        if key not in self._known:
            settings = (
                self._search.settings if kind == "beam" else dataclasses.replace(self._search.settings, **_GREEDY)
            )
            search = dataclasses.replace(self._search, settings=settings, weights={name: weights})
            texts: dict[str, str] = {}
            for batch in self._batches:
                found = search(name, self._trained.model.decoder(name), batch.states[name], batch.lengths)
                tokenizer = self._trained.symbols.tokenizer
                texts |= {key: tokenizer.decode(h[0].labels) for key, h in zip(batch.utterances, found, strict=True)}
            scored = score_utterances(
                self._texts, texts, self._languages, path=self._path, normalise=for_scoring, segment=segment
            )
            summary = summarise(scored).as_dict()
            errors = sum(item.main.errors for item in scored)
            self._known[key] = {**{rate: summary["macro"][rate] for rate in RATES}, "errors": errors}
        return self._known[key]


_GREEDY: dict[str, Any] = {
    "search": "greedy",
    "lm": "none",
    "arpa": None,
    "weights": "stated",
    "ilm_weight": 0.0,
    "label_bonus": 0.0,
}
"""Settings of greedy search, which takes no language model."""


def search_weights(dev: Dev, name: Decoder, tune: TuneConfig, *, ilm: bool) -> Weights:
    """The best of all combinations of the values to try; of equally good ones, the smallest weights.

    Args:
        dev: the dev sets.
        name: of the decoder.
        tune: values to try.
        ilm: whether to subtract the internal language model.
    """
    bonuses = sorted(tune.label_bonuses, key=abs)
    grid = product(sorted(tune.ilm_weights) if ilm else (0.0,), sorted(tune.lm_weights), bonuses)
    tried = [Weights(lm=lm, ilm=internal, bonus=bonus) for internal, lm, bonus in grid]
    bar = progress(tried, desc=f"tune {name} {'LM - ILM' if ilm else 'LM'}", unit="setting")
    return min(bar, key=lambda weights: _cost(dev.rates(name, "beam", weights)))


def _cost(rates: dict[str, Any]) -> tuple[float, int]:
    """What is made small: the macro error rate, then the number of errors."""
    return float(rates["error_rate"] or 0.0), int(rates["errors"])


def _tune(dev: Dev, name: Decoder, tune: TuneConfig) -> dict[str, Any]:
    """The rows of one decoder, and its chosen weights."""
    lm, fused = (search_weights(dev, name, tune, ilm=ilm) for ilm in (False, True))
    rows = {
        "greedy, no LM": (NO_LM, dev.rates(name, "greedy", NO_LM)),
        "beam, no LM": (NO_LM, dev.rates(name, "beam", NO_LM)),
        "beam, LM": (lm, dev.rates(name, "beam", lm)),
        "beam, LM - ILM": (fused, dev.rates(name, "beam", fused)),
    }
    beams = [row for row in rows if row.startswith("beam")]
    best = min(beams, key=lambda row: _cost(rows[row][1]))
    return {
        "rows": {row: {**dataclasses.asdict(weights), **rates} for row, (weights, rates) in rows.items()},
        "best": best,
        "chosen": dataclasses.asdict(rows[best][0]),
    }


def _text(results: Mapping[Decoder, dict[str, Any]], sets: str) -> str:
    """The table of all decoders."""
    rows: list[list[Cell] | None] = []
    for name, result in results.items():
        for row, found in result["rows"].items():
            weights = [f"{found[key]:g}" for key in ("lm", "ilm", "bonus")]
            mark = "*" if row == result["best"] else ""
            rates = [percent(found[rate]) for rate in RATES]
            rows.append([name.replace("_", " "), row, *weights, *rates, found["errors"], mark])
        rows.append(None)
    return table(
        ["decoder", "search", "lm", "ilm", "bonus", "error", "WER", "CER", "errors", "chosen"],
        rows[:-1],
        title=f"{sets}: macro rates in %; errors: pooled count",
        left=2,
    )


def run(context: Context) -> Made:
    """Try weights on ``data.dev``, print the table, write ``tune.json`` for ``decoding.weights: tuned``.

    Raises:
        ConfigError: no language model is named.
        DataError: no trained model, no language model, a phrase that cannot be listened for, or a set without features.
        EnvironmentFault: a package is missing.
    """
    config = context.config
    if config.decoding.lm == "none":
        raise ConfigError("decoding.lm", "is none: there is nothing to tune", "neural or ngram, with search: beam")
    set_threads(None)
    trained = load_trained(context)
    lm = read_language_model(context, config.decoding, trained.symbols.tokenizer, trained.device)
    search = Search(settings=config.decoding, lm=lm, phrases=phrases_of(config.decoding, trained))
    directories = read_directories(context.data, config.data.dev)
    dev = Dev(trained, directories, search, may_lack=config.features.max_failures > 0)
    results = {name: _tune(dev, name, config.tune) for name in trained.config.model.decoders}
    text = _text(results, " ".join(config.data.dev))
    print(text, end="", flush=True)
    record = {
        "sets": list(config.data.dev),
        "lm": config.decoding.lm,
        "arpa": config.decoding.arpa,
        "models": digest_models(context),
        "beam": config.decoding.beam,
        "chosen": {name: result["chosen"] for name, result in results.items()},
        "decoders": results,
    }
    write_atomically(tuned_file(context), json.dumps(record, indent=1) + "\n")
    return Made(what="weights that decoding.weights: tuned reads", where=tuned_file(context))

"""The search that the settings ask for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from jointst.build import Trained
from jointst.config import DecodingConfig
from jointst.decoding.beam import beam_search
from jointst.decoding.fusion import Fusion, LanguageModel, Weights
from jointst.decoding.greedy import greedy_search
from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.language_models import read_language_model
from jointst.errors import DataError
from jointst.nn.decoder import TransducerDecoder
from jointst.stage import Context

DECODERS = ("streaming", "full_context")
"""Both decoders, by the folder their hypotheses go to."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Search with fixed settings.

    Attributes:
        settings: kind, width and limits.
        lm: the language model, if one is used.
        weights: of the language models, for each decoder.
    """

    settings: DecodingConfig
    lm: LanguageModel | None
    weights: dict[str, Weights]

    def __call__(
        self, name: str, decoder: TransducerDecoder, encoded: Tensor, lengths: Tensor
    ) -> list[list[Hypothesis]]:
        """For each utterance its hypotheses, the best first; greedy search has one.

        Args:
            name: of the decoder, one of :data:`DECODERS`.
            decoder: predictor and joiner.
            encoded: (B, T, D).
            lengths: (B,) valid positions.
        """
        settings = self.settings
        if settings.search == "greedy":
            found = greedy_search(decoder, encoded, lengths, settings.max_labels_per_position)
            return [[hypothesis] for hypothesis in found]
        return beam_search(
            decoder,
            encoded,
            lengths,
            width=settings.beam,
            nbest=settings.nbest,
            max_labels_per_position=settings.max_labels_per_position,
            fusion=Fusion(lm=self.lm, weights=self.weights[name]),
        )


def tuned_file(context: Context) -> Path:
    """What ``jointst tune`` writes."""
    return context.exp / "tune.json"


def digest_models(context: Context) -> str:
    """A hash of the transducer and of the language model, what tuned weights depend on."""
    decoding, digest = context.config.decoding, hashlib.sha256()
    lm = context.exp / "lm" / "model.safetensors" if decoding.arpa is None else Path(decoding.arpa)
    for path in (context.exp / "model.safetensors", lm):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stated(settings: DecodingConfig) -> Weights:
    lm = 0.0 if settings.lm == "none" else settings.lm_weight
    return Weights(lm=lm, ilm=settings.ilm_weight, bonus=settings.label_bonus)


def _tuned(context: Context) -> dict[str, Weights]:
    """The weights that ``jointst tune`` chose for each decoder.

    Raises:
        DataError: missing, damaged, or tuned for another model or language model.
    """
    path, settings = tuned_file(context), context.config.decoding
    if not path.is_file():
        raise DataError("there are no tuned weights", path=path, fix="run jointst tune")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tuned_for, models = (record["lm"], record["arpa"]), record["models"]
        weights = {name: Weights(**record["chosen"][name]) for name in DECODERS}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"is damaged: {error!r}", path=path, fix="run jointst tune with --force") from None
    if tuned_for != (settings.lm, settings.arpa):
        wanted = f"decoding.lm {settings.lm}, decoding.arpa {settings.arpa}"
        problem = f"was tuned for decoding.lm {tuned_for[0]}, decoding.arpa {tuned_for[1]}, not for {wanted}"
        raise DataError(problem, path=path, fix="run jointst tune with these settings")
    if models != digest_models(context):
        problem = "was tuned for another model or language model than those of now"
        raise DataError(problem, path=path, fix="run jointst tune")
    return weights


def build_search(context: Context, trained: Trained) -> Search:
    """The search of ``decoding``, with what it reads; says which weights it uses.

    Raises:
        DataError: a language model or tuned weights are missing or do not fit.
        EnvironmentFault: a package is missing.
    """
    settings = context.config.decoding
    if settings.search == "greedy":
        return Search(settings=settings, lm=None, weights={})
    lm = read_language_model(context, settings, trained.symbols.tokenizer, trained.device)
    if settings.weights == "tuned":
        weights, source = _tuned(context), f"tuned, {tuned_file(context)}"
    else:
        weights, source = dict.fromkeys(DECODERS, _stated(settings)), "as stated"
    for name in DECODERS:
        chosen = weights[name]
        print(
            f"{name}: beam of {settings.beam}, language model {settings.lm}, weights {source}: "
            f"lm {chosen.lm:g}, ilm {chosen.ilm:g}, label bonus {chosen.bonus:g}",
            flush=True,
        )
    return Search(settings=settings, lm=lm, weights=weights)

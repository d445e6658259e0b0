"""The search that the settings ask for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from jointst.common.errors import ConfigError, DataError
from jointst.config import Decoder, DecodingConfig
from jointst.config.context import Context
from jointst.decoding.beam import beam_search
from jointst.decoding.fusion import Fusion, LanguageModel, Weights
from jointst.decoding.greedy import greedy_search
from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.language_models import language_model_at, read_language_model
from jointst.decoding.phrase_tree import PhraseTree
from jointst.decoding.phrases import Written, build_tree, read_phrases, wanted_phrases
from jointst.models.build import Trained
from jointst.nn.decoder import TransducerDecoder

_STAGE_ALONE = {"batch_utterances", "nbest", "lm", "arpa", "weights", "phrases"}
"""Settings of stage 7 that the search of a packed model has no use for, or is given otherwise."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Search with fixed settings.

    Attributes:
        settings: kind, width and limits.
        lm: the language model, if one is used.
        weights: of the language models, for each decoder; beam search needs them.
        phrases: whose labels are raised, if there are any.
    """

    settings: DecodingConfig
    lm: LanguageModel | None = None
    weights: dict[Decoder, Weights] = dataclasses.field(default_factory=dict)
    phrases: PhraseTree | None = None

    def __call__(
        self, name: Decoder, decoder: TransducerDecoder, encoded: Tensor, lengths: Tensor
    ) -> list[list[Hypothesis]]:
        """For each utterance its hypotheses, the best first; greedy search has one.

        Args:
            name: of the decoder.
            decoder: predictor and joiner.
            encoded: (B, T, D).
            lengths: (B,) valid positions.
        """
        settings = self.settings
        if settings.search == "greedy":
            found = greedy_search(decoder, encoded, lengths, settings.max_labels_per_position, self.phrases)
            return [[hypothesis] for hypothesis in found]
        return beam_search(
            decoder,
            encoded,
            lengths,
            width=settings.beam,
            nbest=settings.nbest,
            max_labels_per_position=settings.max_labels_per_position,
            fusion=Fusion(lm=self.lm, weights=self.weights[name], phrases=self.phrases),
        )

    def listening_for(self, phrases: str | Path | Iterable[Written], trained: Trained) -> Search:
        """The same search with other phrases, those of a file or of a call; none of an empty list.

        Raises:
            DataError: one of them cannot be listened for.
        """
        settings = self.settings
        tree = build_tree(wanted_phrases(phrases), trained, settings.label_weight, settings.phrase_language)
        return dataclasses.replace(self, phrases=tree)


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


def _tuned(context: Context) -> dict[Decoder, Weights]:
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
        weights = {name: Weights(**record["chosen"][name]) for name in context.config.model.decoders}
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
        DataError: a language model or tuned weights are missing or do not fit, or a phrase cannot be listened for.
        EnvironmentFault: a package is missing.
    """
    settings = context.config.decoding
    phrases = phrases_of(settings, trained)
    if settings.search == "greedy":
        return Search(settings=settings, phrases=phrases)
    lm = read_language_model(context, settings, trained.symbols.tokenizer, trained.device)
    if settings.weights == "tuned":
        weights: dict[Decoder, Weights] = _tuned(context)
        source = f"tuned, {tuned_file(context)}"
    else:
        weights, source = dict.fromkeys(trained.config.model.decoders, _stated(settings)), "as stated"
    for name in trained.config.model.decoders:
        chosen = weights[name]
        print(
            f"{name}: beam of {settings.beam}, language model {settings.lm}, weights {source}: "
            f"lm {chosen.lm:g}, ilm {chosen.ilm:g}, label bonus {chosen.bonus:g}",
            flush=True,
        )
    return Search(settings=settings, lm=lm, weights=weights, phrases=phrases)


def phrases_of(settings: DecodingConfig, trained: Trained) -> PhraseTree | None:
    """The tree of ``decoding.phrases``; says how many there are.

    Raises:
        DataError: one of them cannot be listened for.
    """
    if settings.phrases is None:
        return None
    wanted = read_phrases(Path(settings.phrases))
    weight = settings.label_weight
    print(f"{len(wanted)} phrases of {settings.phrases}, weight {weight:g} a label unless stated there", flush=True)
    return build_tree(wanted, trained, weight, settings.phrase_language)


def greedy(trained: Trained) -> Search:
    """Plain greedy search for a model."""
    limit = trained.config.decoding.max_labels_per_position
    return Search(settings=DecodingConfig(max_labels_per_position=limit))


def packed_search(
    trained: Trained,
    packed: Path,
    lm: str | Path | None,
    phrases: str | Path | Iterable[Written] | None,
    settings: dict[str, Any],
) -> Search:
    """The search of a packed model, which takes nothing but the limit of labels from the settings of its training.

    Args:
        trained: the packed model.
        packed: its folder.
        lm: see :func:`jointst.decoding.language_models.language_model_at`; None for none.
        phrases: a file, or phrases; None for none.
        settings: others of ``decoding``, by name.

    Raises:
        ConfigError: a setting that does not exist or cannot work.
        DataError: the language model is missing or does not fit, or a phrase cannot be listened for.
        EnvironmentFault: a package is missing.
    """
    known = {field.name for field in dataclasses.fields(DecodingConfig)} - _STAGE_ALONE
    for key in settings.keys() - known:
        raise ConfigError(key, "there is no such setting of a search", f"known: {' '.join(sorted(known))}")
    kind: dict[str, Any] = {} if lm is None else {"lm": "neural"} if Path(lm).is_dir() else {"lm": "ngram"}
    if kind.get("lm") == "ngram":
        kind["arpa"] = str(lm)
    limit = trained.config.decoding.max_labels_per_position
    config = DecodingConfig(**{"max_labels_per_position": limit, "nbest": 1, **kind, **settings})
    model = None if lm is None else language_model_at(Path(lm), packed, trained)
    search = Search(settings=config, lm=model, weights=dict.fromkeys(trained.config.model.decoders, _stated(config)))
    return search if phrases is None else search.listening_for(phrases, trained)

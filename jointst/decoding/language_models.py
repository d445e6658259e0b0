"""Language models over labels for fusion: the neural one of ``jointst lm``, and n-grams through kenlm.

B rows, V labels with the blank.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from jointst.common.errors import DataError, EnvironmentFault
from jointst.config import DecodingConfig
from jointst.config.context import Context
from jointst.decoding.fusion import LanguageModel
from jointst.models.build import TOKENIZER, Trained, digest_tokenizer
from jointst.nn.language_model import LstmLanguageModel
from jointst.nn.predictor import BLANK
from jointst.text.tokenizer import UNKNOWN, Tokenizer

CACHED_VALUES = 2**26
"""Log-probabilities of n-grams that are kept for later, over all contexts."""


class NeuralLm(LanguageModel):
    """The model of ``jointst lm``; its state is the LSTM's.

    Args:
        model: in evaluation mode, on the device of the search.
    """

    def __init__(self, model: LstmLanguageModel) -> None:
        self._model = model
        self._device = next(model.parameters()).device

    @classmethod
    def read(cls, path: Path, tokenizer: str, device: torch.device) -> NeuralLm:
        """The model of a ``model.safetensors`` file.

        Args:
            path: the file.
            tokenizer: hash of the tokenizer in use.
            device: where to.

        Raises:
            DataError: missing, damaged, or of another tokenizer.
        """
        if not path.is_file():
            raise DataError("there is no language model", path=path, fix="run jointst lm")
        try:
            with safe_open(path, framework="pt") as stored:
                metadata = stored.metadata() or {}
            if metadata.get("tokenizer") != tokenizer:
                raise DataError("was trained with another tokenizer", path=path, fix="run jointst lm")
            model = LstmLanguageModel(int(metadata["vocabulary"]), int(metadata["dim"]))
            model.load_state_dict(load_file(path))
        except (RuntimeError, SafetensorError, KeyError) as error:
            raise DataError(f"is damaged: {error}", path=path, fix="run jointst lm with --force") from None
        return cls(model.to(device).eval())

    def initial_state(self, batch: int) -> Tensor:
        """See :class:`LanguageModel`."""
        return self._model.predictor.initial_state(batch, self._device)

    def score(self, state: Tensor) -> Tensor:
        """See :class:`LanguageModel`."""
        return self._model.log_probs(self._model.predictor.output(state))[:, BLANK + 1 :]

    def end(self, state: Tensor) -> Tensor:
        """See :class:`LanguageModel`."""
        return self._model.log_probs(self._model.predictor.output(state))[:, BLANK]

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """See :class:`LanguageModel`."""
        return self._model.predictor.step(state, labels, emitted)


class NgramLm(LanguageModel):
    """N-grams over label pieces; the state is the last labels, (B, order - 1), BLANK before the first.

    Only contexts that were not met before are asked of kenlm; the answers for all V labels are kept.

    Args:
        path: ARPA file, or kenlm's binary form of one.
        tokenizer: the labels.
        device: of the search.

    Raises:
        EnvironmentFault: the package kenlm is not installed.
        DataError: the file is missing or damaged, or knows hardly any piece.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer, device: torch.device) -> None:
        try:
            import kenlm
        except ImportError:
            raise EnvironmentFault(
                "decoding.lm: ngram needs the package kenlm (pip install 'jointst[lm]', or tools/install.sh --extra lm)"
            ) from None
        if not path.is_file():
            raise DataError("there is no file of n-grams", path=path, fix="name an ARPA or kenlm file")
        try:
            self._model = kenlm.Model(str(path))
        except (OSError, RuntimeError) as error:
            raise DataError(f"cannot be read: {error}", path=path, fix="write it again, for example by lmplz") from None
        self._new_state = kenlm.State
        self._pieces = tokenizer.pieces(range(tokenizer.size))
        known = sum(piece in self._model for piece in self._pieces[UNKNOWN + 1 :])
        if 2 * known < len(self._pieces) - UNKNOWN - 1:
            raise DataError(
                f"knows {known} of {len(self._pieces) - UNKNOWN - 1} label pieces",
                path=path,
                fix="make it from text in pieces: jointst lm writes exp/<name>/lm/pieces.txt",
            )
        self._context = max(1, int(self._model.order) - 1)
        self._device = device
        rows = max(1000, CACHED_VALUES // tokenizer.size)
        self._row = functools.lru_cache(maxsize=rows)(self._look_up)

    def _look_up(self, context: tuple[int, ...]) -> Tensor:
        """log P after a context: the end, then every label, (V,)."""
        state: Any = self._new_state()
        if context[0] == BLANK:  # it reaches back to the start of the sentence
            self._model.BeginSentenceWrite(state)
        else:
            self._model.NullContextWrite(state)
        for label in context:
            if label != BLANK:
                following = self._new_state()
                self._model.BaseScore(state, self._pieces[label], following)
                state = following
        unused = self._new_state()
        words = ["</s>", *self._pieces[BLANK + 1 :]]
        return math.log(10.0) * torch.tensor([self._model.BaseScore(state, word, unused) for word in words])

    def _rows(self, state: Tensor) -> Tensor:
        """log P of the end and of every label, (B, V)."""
        contexts, inverse = torch.unique(state, dim=0, return_inverse=True)
        rows = torch.stack([self._row(tuple(context)) for context in contexts.tolist()])
        return rows.to(self._device)[inverse]

    def initial_state(self, batch: int) -> Tensor:
        """See :class:`LanguageModel`."""
        return torch.full((batch, self._context), BLANK, dtype=torch.int64, device=self._device)

    def score(self, state: Tensor) -> Tensor:
        """See :class:`LanguageModel`."""
        return self._rows(state)[:, BLANK + 1 :]

    def end(self, state: Tensor) -> Tensor:
        """See :class:`LanguageModel`."""
        return self._rows(state)[:, BLANK]

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """See :class:`LanguageModel`."""
        return torch.where(emitted[:, None], torch.cat([state[:, 1:], labels[:, None]], dim=1), state)


def read_language_model(
    context: Context, decoding: DecodingConfig, tokenizer: Tokenizer, device: torch.device
) -> LanguageModel | None:
    """The language model that the settings name; None for none.

    Raises:
        DataError: its file is missing or does not fit.
        EnvironmentFault: a package is missing.
    """
    if decoding.lm == "none":
        return None
    if decoding.lm == "neural":
        digest = digest_tokenizer(context.data / TOKENIZER)
        return NeuralLm.read(context.exp / "lm" / "model.safetensors", digest, device)
    assert decoding.arpa is not None, "the settings demand it"
    return NgramLm(Path(decoding.arpa), tokenizer, device)


def language_model_at(path: Path, packed: Path, trained: Trained) -> LanguageModel:
    """The language model at a place, for a packed model: the folder of ``jointst lm``, or a file of n-grams.

    Args:
        path: ``exp/<name>/lm``, wherever it was copied to, or an ARPA or kenlm file.
        packed: folder of the packed model.
        trained: the packed model.

    Raises:
        DataError: it is missing or does not fit.
        EnvironmentFault: a package is missing.
    """
    if not path.exists():
        fix = "name the folder that jointst lm made, exp/<name>/lm, or an ARPA file"
        raise DataError("there is no such language model", path=path, fix=fix)
    if path.is_dir():
        return NeuralLm.read(path / "model.safetensors", digest_tokenizer(packed / "tokenizer.model"), trained.device)
    return NgramLm(path, trained.symbols.tokenizer, trained.device)

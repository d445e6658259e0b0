"""The searches that clients ask for; those that are alike are one, so that their audio is searched together."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path
from typing import Any

from jointst.common.errors import JointstError
from jointst.decoding.search import Search, packed_search
from jointst.models.build import Trained
from jointst.serving.refused import unusable
from jointst.serving.wishes import Kind, Phrases, Wish

KEPT = 32
"""Trees of phrases that are kept for the next request."""


class Searches:
    """Greedy and beam search over one model, with any phrases.

    Args:
        trained: the model.
        folder: that it was packed into.
        lm: language model of the beam search, as for :meth:`jointst.Recogniser.load`.
        beam: settings of the beam search.
        phrase_weight: of a phrase without a weight of its own; None for what suits the search.

    Raises:
        ConfigError, DataError: as for :meth:`jointst.Recogniser.load`.
    """

    def __init__(
        self, trained: Trained, folder: Path, *, lm: str | None, beam: dict[str, Any], phrase_weight: float | None
    ) -> None:
        self._trained = trained
        weight = {"phrase_weight": phrase_weight}
        self._plain: dict[Kind, Search] = {
            "greedy": packed_search(trained, folder, None, None, weight),
            "beam": packed_search(trained, folder, lm, None, {**beam, **weight, "search": "beam"}),
        }
        self._listening = lru_cache(maxsize=KEPT)(self._build)

    def of(self, wish: Wish) -> Search:
        """The search of a wish, the very same for the same wishes.

        Raises:
            Refused: a phrase that cannot be listened for.
        """
        if not wish.phrases:
            return self._plain[wish.search]
        try:
            return self._listening(wish.search, wish.phrases, wish.language)
        except JointstError as error:
            raise unusable(error, "phrases") from None

    def _build(self, kind: Kind, phrases: Phrases, language: str) -> Search:
        search = self._plain[kind]
        settings = dataclasses.replace(search.settings, phrase_language=language or None)
        return dataclasses.replace(search, settings=settings).listening_for(phrases, self._trained)

"""A learned vector for each language, added to what enters the shared encoders.

B batch, N positions, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointst.common.languages import LANGUAGES


def rows_of_languages() -> tuple[str, ...]:
    """The language of each row of the embedding: none, then all codes in order."""
    return ("", *sorted(LANGUAGES))


class LanguageEmbedding(nn.Module):
    """Adds the vector of each utterance's language; where that is unknown, the vector of no language.

    Args:
        dim: D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self._rows = {code: row for row, code in enumerate(rows_of_languages())}
        self.vectors = nn.Embedding(len(self._rows), dim)
        nn.init.zeros_(self.vectors.weight)

    def forward(self, front: Tensor, languages: Sequence[str]) -> Tensor:
        """The same states with languages added.

        Args:
            front: (B, N, D).
            languages: B ISO 639-1 codes; empty where none is known.
        """
        if not languages:
            return front + self.vectors.weight[0]
        rows = torch.tensor([self._rows.get(code, 0) for code in languages], device=front.device)
        vectors: Tensor = self.vectors(rows).unsqueeze(1)  # (B, D) -> (B, 1, D)
        return front + vectors

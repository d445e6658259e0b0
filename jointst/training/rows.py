"""What the rows of weights stand for, and which rows of two models stand for the same.

Rows of embeddings and of output layers stand for labels, phones or languages. Two models have the same symbol in other
rows, so rows are matched by symbol: a new symbol keeps its fresh row, the row of one that is gone is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jointst.config import Config
from jointst.data.symbols import Symbols

Kind = Literal["labels", "phones", "languages"]


def row_kind(name: str, config: Config) -> Kind | None:
    """What the rows of a weight stand for, None where they stand for nothing that has a name."""
    read: Kind = "phones" if config.tokenizer.text_input == "phones" else "labels"
    if name.startswith("language."):
        return "languages"
    if name == "text_encoder.embedding.weight":
        return read
    if name.startswith("ctc."):
        return read if config.model.ctc_target == "phones" else "labels"
    outputs = (".predictor.embedding.weight", ".joiner.output.weight", ".joiner.output.bias")
    return "labels" if name.endswith(outputs) or ".additive." in name else None


def rows_of(symbols: Symbols, languages: Sequence[str]) -> dict[Kind, list[str]]:
    """The symbol of each row, by kind; the language of none is ``<none>``."""
    return {
        "labels": symbols.tokenizer.pieces(range(symbols.tokenizer.size)),
        "phones": list(symbols.phones.symbols),
        "languages": [code or "<none>" for code in languages],
    }


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The rows of one kind that two models share.

    Attributes:
        here: indices of the shared symbols in the new model.
        there: their indices in the start.
        fresh: symbols that are new.
        left: symbols of the start that are gone.
    """

    here: list[int]
    there: list[int]
    fresh: list[str]
    left: list[str]


def match(new: Sequence[str], old: Sequence[str]) -> Matched:
    """Match rows by symbol; special symbols are matched as all others are, since all tables have them."""
    known = {symbol: index for index, symbol in enumerate(old)}
    here = [index for index, symbol in enumerate(new) if symbol in known]
    return Matched(
        here=here,
        there=[known[new[index]] for index in here],
        fresh=[symbol for symbol in new if symbol not in known],
        left=[symbol for symbol in old if symbol not in set(new)],
    )

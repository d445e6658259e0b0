"""The option ``--toy``, which every benchmark has; shared by the benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any


def add_toy(parser: argparse.ArgumentParser, **small: Any) -> None:
    """Add ``--toy``.

    Args:
        parser: of a benchmark, with its other options.
        small: values that it gives to options of these names which the command line does not give.
    """
    parser.add_argument(
        "--toy", action="store_true", help="everything once, in seconds: it runs, its figures say nothing"
    )
    parser.set_defaults(toy_values=small)


def parse(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command line (by default this process's), those of toy size where it asks for it."""
    words = sys.argv[1:] if words is None else words
    options = parser.parse_args(words)
    if options.toy:
        parser.set_defaults(**options.toy_values)
        options = parser.parse_args(words)
    del options.toy_values
    return options

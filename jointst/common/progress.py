"""A progress bar on a terminal, and a sparse line now and then in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar, cast

from tqdm import tqdm

Item = TypeVar("Item")

TERMINAL_INTERVAL = 1.0
"""Seconds between updates on a terminal."""
LOG_INTERVAL = 30.0
"""Seconds between lines in a log file."""

NO_GUESS = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"
"""tqdm's usual line without its time to go."""


class _Lines:
    """A stream for tqdm that ends each update with a line feed, so that a log file stays readable."""

    def write(self, text: str) -> int:
        text = text.strip("\r\n ")
        return sys.stderr.write(f"{text}\n") if text else 0

    def flush(self) -> None:
        sys.stderr.flush()


def progress(
    iterable: Iterable[Item] | None = None,
    *,
    total: int | None = None,
    initial: int = 0,
    desc: str = "",
    unit: str = "",
    guess: bool = True,
) -> tqdm[Item]:
    """Iterate with a progress bar on the standard error stream.

    Args:
        iterable: what to go through; None for a bar moved by its ``update(n)``.
        total: number of items, where ``len(iterable)`` does not say.
        initial: number of items that are done already, not in this run.
        desc: what is being done, a word or two.
        unit: what is counted.
        guess: whether to show the time that is left if all goes on as fast; false where the caller knows better.

    Returns:
        The bar: iterate over it, or use it as a context manager.
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        cast(Iterable[Item], iterable),  # tqdm takes None, its annotations do not say so
        total=total,
        initial=initial,
        bar_format=None if guess else NO_GUESS,
        desc=desc,
        unit=f" {unit}" if unit else "it",
        file=sys.stderr if terminal else _Lines(),
        miniters=1,  # else tqdm's monitor shows a line beside the one that is due
        mininterval=TERMINAL_INTERVAL if terminal else LOG_INTERVAL,
        maxinterval=TERMINAL_INTERVAL if terminal else LOG_INTERVAL,
        dynamic_ncols=terminal,
        leave=terminal,
        delay=0.0 if terminal else LOG_INTERVAL,
    )

"""What a training asks of the group of processes that it is one of; of one alone, nothing is asked."""

from __future__ import annotations

import signal
from typing import Any

from jointst.common.place import Place

_SIGNALS = {signal.SIGTERM: "SIGTERM", signal.SIGUSR1: "SIGUSR1", signal.SIGUSR2: "SIGUSR2"}


class Group:
    """A process alone, which is its own first.

    Attributes:
        place: of this process among the others; None for one alone.
        wanted: why training is to stop at the next update, if it is to.
    """

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self.wanted = ""
        self._stop_at: int | None = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.place is None or self.place.rank == 0

    @property
    def world(self) -> int:
        """Processes in all."""
        return 1 if self.place is None else self.place.world

    def tell(self, key: str, value: Any) -> None:
        """As the first process, say something that the others wait for; it must go through JSON."""

    def told(self, key: str) -> Any:
        """As another process, wait for what the first says."""
        raise AssertionError("nobody else is there")

    def gather(self, key: str, value: Any) -> list[Any]:
        """Say something as every process; the first gets all of it, in the order of ranks, the others get nothing."""
        return [value]

    def at(self, words: str) -> None:
        """Say what is being worked on, for the others, should it be the last thing."""

    def want_stop(self, why: str) -> None:
        """Ask for an end of the training after an update that all agree upon.

        Args:
            why: the name of a signal, or other words.
        """
        self.wanted = self.wanted or why

    def before_update(self, update: int, validates: bool) -> None:
        """Agree upon the last update, if a stop is wanted; called before each.

        Args:
            update: the one about to begin, counted from 1.
            validates: whether a validation follows it, which the stop then waits for, or leaves to the continuation.
        """
        if self.wanted and self._stop_at is None:
            self._stop_at = update + 1 if validates else update

    def stops_after(self, update: int) -> bool:
        """Whether the training stops after an update, which every process answers alike."""
        return self._stop_at is not None and update >= self._stop_at

    def failing(self, message: str) -> None:
        """Say that this process is about to end because of an error, in case it gets stuck on the way.

        Args:
            message: of the error.
        """

    def finished(self) -> None:
        """Training is over, and well: from here on processes may go."""


def name_of(number: int) -> str:
    """The name of a signal that asks for a stop."""
    return _SIGNALS.get(signal.Signals(number), str(number))


_current: list[Group] = [Group()]


def current() -> Group:
    """The group that this process belongs to."""
    return _current[-1]


def enter(group: Group) -> None:
    """Belong to a group, until this process ends."""
    _current.append(group)

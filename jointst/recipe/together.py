"""A stage in one of several processes: the first does its work, the others do their share of it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from jointst.common.errors import AGAIN, Stopped, last_words
from jointst.common.place import Place, tell_torch
from jointst.common.threads import set_threads
from jointst.config.context import Context
from jointst.ranks.group import enter
from jointst.recipe.job import queue_again
from jointst.recipe.stage import Stage


def run_together(place: Place, stage: Stage, context: Context, work: Callable[[], int]) -> int:
    """Run a stage as one of several processes.

    Args:
        place: of this process.
        stage: to run.
        context: of the experiment.
        work: what the first process does; it returns an exit status.

    Returns:
        An exit status, where all is well. Otherwise this process ends here, and with it all others.

    Raises:
        EnvironmentFault: the processes do not find each other.
    """
    tell_torch(place)
    set_threads(None)
    from jointst.ranks.watch import Watch, is_echo

    group = Watch(place, f"jointst {stage.name}")
    enter(group)
    signal.signal(signal.SIGTERM, _end)  # until training takes it
    try:
        if group.first:
            status = work()
        else:
            status = _follow(group.told("work"), stage, context)
        group.finished()
    except Stopped as stopped:
        group.finished()
        if group.first:
            print(f"jointst {stage.name}: {stopped}", file=sys.stderr, flush=True)
            if stopped.status == AGAIN:
                queue_again()
        _leave(stopped.status)
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            raise
        words, echo = last_words(error), is_echo(error)
        if words is None and not echo:
            traceback.print_exc()
        status, text = words or (1, f"error: {type(error).__name__}: {error}".rstrip())
        group.fail(text, status, echo=echo)
    return status


def _leave(status: int) -> NoReturn:
    """End without what torch does at exit, which may wait for processes that are gone."""
    sys.stdout.flush()
    os._exit(status)


def _follow(wanted: bool, stage: Stage, context: Context) -> int:
    """The share of a process that is not the first, which prints nothing."""
    if wanted:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 as long as the process lives
        stage.run_beside(context)
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    """Before training there is nothing to keep."""
    os._exit(128 + number)

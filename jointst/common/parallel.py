"""Work spread over processes, ended cleanly by Ctrl-C, by a failing job and by the death of the parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from jointst.common.errors import EnvironmentFault
from jointst.common.progress import progress
from jointst.common.threads import set_threads

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def run_jobs(
    function: Callable[[Argument], Result],
    arguments: Sequence[Argument],
    nj: int,
    *,
    desc: str = "",
    unit: str = "job",
    sizes: Sequence[int] | None = None,
) -> list[Result]:
    """Call ``function`` on each argument in ``nj`` processes, with a progress bar.

    Args:
        function: a function at the top level of a module (processes are spawned, not forked).
        arguments: one for each call; must be picklable, as the results.
        nj: processes; with 1, or a single argument, everything runs in this process.
        desc: what is being done, for the bar.
        unit: what the bar counts.
        sizes: how much of ``unit`` each call does, one by default.

    Returns:
        The results, in the order of ``arguments``.

    Raises:
        EnvironmentFault: a process died (most often: killed for want of memory).
        Exception: whatever a call raised; calls not begun are cancelled, results so far are lost.
    """
    sizes = [1] * len(arguments) if sizes is None else sizes
    bar: tqdm[None] = progress(total=sum(sizes), desc=desc, unit=unit)
    with bar:
        if nj == 1 or len(arguments) <= 1:
            results = []
            for argument, size in zip(arguments, sizes, strict=True):
                results.append(function(argument))
                bar.update(size)
            return results
        executor = ProcessPoolExecutor(
            min(nj, len(arguments)), mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_worker
        )
        try:
            with _without_interrupts():
                futures: dict[Future[Result], int] = {
                    executor.submit(function, argument): index for index, argument in enumerate(arguments)
                }
            for future in as_completed(futures):
                future.result()
                bar.update(sizes[futures[future]])
            executor.shutdown()
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise EnvironmentFault(
                f"{desc}: a worker process died, most often for want of memory (lower --nj, then run it again)"
            ) from None
        finally:
            _stop(executor)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back, and let processes started here never see it: they leave it to the parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker() -> None:
    """One numeric thread, since there is a process for each core; and an end when the parent ends.

    A killed parent cannot tell its workers.
    """
    set_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None, "only for worker processes"

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _stop(executor: ProcessPoolExecutor) -> None:
    """End the workers at once, also in the middle of a call, and wait until they have ended."""
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()

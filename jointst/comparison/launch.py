"""Running many cells: one after another here, or as a Slurm array through submitit."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jointst.common.jobs import executor_in
from jointst.common.progress import LOG_INTERVAL, TERMINAL_INTERVAL, progress
from jointst.common.units import Seconds
from jointst.comparison.cell import Outcome, note_of, run_cell
from jointst.comparison.grid import Cell
from jointst.config.context import Context
from jointst.training.pace import Paces, measure

ASK_EVERY: Seconds = 2.0
"""Between questions to Slurm's queue, and looks at a training's log."""


def run_here(cells: Sequence[Cell], options: list[str], until: Seconds | None = None) -> list[Outcome]:
    """Run cells one after another; a failed one does not stop the others.

    Args:
        cells: to run; those that are finished cost nothing.
        options: see :func:`jointst.comparison.cell.run_cell`.
        until: by ``time.monotonic``; cells that are not begun by then are waiting.

    Raises:
        KeyboardInterrupt: interrupted.
    """
    outcomes = []
    bar: tqdm[None] = progress(total=len(cells), desc="compare", unit="cell")
    with bar:
        for number, cell in enumerate(cells, start=1):
            if until is not None and time.monotonic() >= until:
                outcomes.append(Outcome(status="waiting", log=str(cell.log)) if cell.left() else note_of(cell))
                continue
            left = [stage.name for stage in cell.left()]
            if left:
                bar.write(f"[{number}/{len(cells)}] {cell.title}: {', '.join(left)}; log: {cell.log}")
            outcome = run_cell(cell, options, until=until, watch=_watcher(cell, bar))
            if outcome.status != "finished":
                bar.write(f"[{number}/{len(cells)}] {cell.title}: {outcome.status} {outcome.message}; {cell.log}")
            outcomes.append(outcome)
            bar.update(1)
    return outcomes


def _watcher(cell: Cell, bar: Any) -> Callable[[], None]:
    """Shows on the bar how far the training of a cell is."""
    interval = TERMINAL_INTERVAL if bar.leave else LOG_INTERVAL
    seen = time.monotonic()

    def watch() -> None:
        nonlocal seen
        if time.monotonic() - seen < max(interval, ASK_EVERY):
            return
        seen = time.monotonic()
        update = _last_update(cell.context.exp / "log.jsonl") or 0
        bar.set_postfix_str(f"{cell.title}: update {update}/{cell.context.config.training.max_updates}")

    return watch


def _last_update(path: Path) -> int | None:
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4096))
        lines = stream.read().split(b"\n")[:-1]  # what follows the last line feed is being written
    try:
        return int(json.loads(lines[-1])["update"])
    except (IndexError, ValueError, KeyError):
        return None


def run_array(
    cells: Sequence[Cell], options: list[str], parameters: Mapping[str, Any], *, cluster: str = "slurm"
) -> list[Outcome]:
    """Run cells as one job array, and wait for it; interrupted, it goes on without being watched.

    Args:
        cells: to run; no job is made for those that are finished.
        options: see :func:`jointst.comparison.cell.run_cell`.
        parameters: submitit's, as ``timeout_min`` or ``slurm_partition``.
        cluster: submitit's name of where; ``local`` starts all jobs as processes of this machine.

    Raises:
        JointstError: there is no such cluster here, or it refuses the parameters.
    """
    todo = [cell for cell in cells if cell.left()]
    with executor_in(cells[0].log.parent / "jobs", cluster, parameters) as executor:
        jobs = executor.map_array(_job, todo, [options] * len(todo)) if todo else []
    bar: tqdm[None] = progress(total=len(jobs), desc="compare", unit="cell")
    with bar:
        waiting = list(jobs)
        while waiting:
            ended = [job for job in waiting if job.done()]
            waiting = [job for job in waiting if job not in ended]
            bar.update(len(ended))
            if waiting:
                time.sleep(ASK_EVERY)
    return [_outcome(cell, dict(zip((c.key for c in todo), jobs))) for cell in cells]


def time_here(contexts: Mapping[str, Context]) -> Paces:
    """Seconds of an update of trainings that have ended, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, contexts).result()


def time_array(
    contexts: Mapping[str, Context], folder: Path, parameters: Mapping[str, Any], *, cluster: str = "slurm"
) -> Paces:
    """The same as a job: on a machine like those that train.

    Args:
        contexts: of the trainings, by name.
        folder: of the comparison.
        parameters: see :func:`run_array`.
        cluster: see :func:`run_array`.

    Raises:
        JointstError: there is no such cluster here, it refuses the parameters, or the job failed.
    """
    with executor_in(folder / "logs" / "jobs", cluster, parameters) as executor:
        job = executor.submit(measure, contexts)
        paces: Paces = job.result()
    return paces


def _job(cell: Cell, options: list[str]) -> Outcome:
    return run_cell(cell, options)


def _outcome(cell: Cell, jobs: Mapping[str, Any]) -> Outcome:
    """What a job came to; one that Slurm killed has left no outcome of its own."""
    job = jobs.get(cell.key)
    if job is None or not cell.left():
        return note_of(cell)
    problem = job.exception()
    if problem is None:
        result: Outcome = job.result()
        return result
    last = str(problem).strip().splitlines()[-1:] or [repr(problem)]
    return Outcome(status="failed", message=f"job {job.job_id}: {last[0]}", log=str(job.paths.stderr))

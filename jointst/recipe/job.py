"""Training as a job of Slurm: submitted, waited for, and put into the queue again when its time is up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jointst.common.jobs import executor_in
from jointst.common.units import Seconds
from jointst.config.context import Context
from jointst.ranks.slurm import job_number

ASK_EVERY: Seconds = 2.0
"""Between questions to Slurm's queue."""
REQUEUED: Seconds = 60.0
"""In which Slurm ends a job that is in the queue again."""


def in_job() -> bool:
    """Whether this process is of a job that submitit started."""
    return "SUBMITIT_EXECUTOR" in os.environ


def run_as_job(context: Context, arguments: list[str], *, cluster: str = "slurm") -> int:
    """Run a command as a job, a process for each task, and wait; interrupted, the job goes on without being watched.

    Args:
        context: says on how many nodes and processes, and with which parameters of submitit.
        arguments: of the command line, the command's name first.
        cluster: see :func:`jointst.common.jobs.executor_in`.

    Returns:
        0, or 1 where a task failed, of which the last words are printed.

    Raises:
        JointstError: there is no such cluster here, or it refuses the parameters.
    """
    folder = context.exp.parent / ".jobs" / context.exp.name  # which is not set aside with the experiment
    own: dict[str, Any] = {"nodes": context.nodes or 1, "tasks_per_node": context.processes}
    if context.ngpu:
        own["gpus_per_node"] = context.ngpu
    with executor_in(folder, cluster, {**own, **context.slurm}) as executor:
        job = executor.submit(_task, arguments)
    print(f"job {job.job_id}: log in {job.paths.stdout}", flush=True)
    _wait(job, cluster)
    if job.paths.result_pickle.is_file() and job.exception() is None:
        print(_last_line(job.paths.stdout, "stage "), flush=True)
        return 0
    logs = sorted(folder.glob(f"{job.job_id}_*_log.err"), key=lambda path: path.stat().st_mtime)
    said = [line for line in (_last_line(path, "jointst ") for path in logs) if line]
    print(f"job {job.job_id} has failed: {folder}/{job.job_id}_*_log.err", file=sys.stderr)
    print(said[0] if said else f"jointst {arguments[0]}: error: it left no message", file=sys.stderr, flush=True)
    return 1


def _wait(job: Any, cluster: str) -> None:
    """Until a job has ended, showing its states; Slurm's queue is asked, for not every cluster keeps accounts."""
    state = ""
    while True:
        before, state = state, _state(job, cluster)
        if not state:
            return
        if state != before:
            print(f"job {job.job_id}: {state.lower()}", flush=True)
        time.sleep(ASK_EVERY)


def _state(job: Any, cluster: str) -> str:
    """What a job is at; nothing once it has ended."""
    if cluster != "slurm":
        return "" if job.done() else "running"
    command = ["squeue", "--noheader", "--jobs", str(job.job_id), "--format", "%T"]
    asked = subprocess.run(command, capture_output=True, text=True)
    gone = asked.returncode != 0 and "Invalid job id" in asked.stderr
    states = asked.stdout.split()
    if gone or (asked.returncode == 0 and not states):
        return ""
    return states[0] if states else "not known: squeue fails"


def _task(arguments: list[str]) -> int:
    """What each task of the job does; one that fails ends as the command would."""
    from jointst.recipe.cli import main

    status = main(arguments)
    if status != 0:
        os._exit(status)
    return status


def _last_line(path: Path, begins: str) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return next((line for line in reversed(lines) if line.startswith(begins)), "")


def queue_again() -> None:
    """Put this process's job, if it is of one, into the queue again, and wait for Slurm to end it."""
    queued, words = requeue()
    if words:
        print(words, file=sys.stderr, flush=True)
    if queued:
        time.sleep(REQUEUED)  # a job that ends itself would count as done


def requeue() -> tuple[bool, str]:
    """Put this process's Slurm job into the queue again, to start from its beginning.

    Returns:
        Whether it is there, and what to say of it; nothing where there is no such job.
    """
    number = job_number()
    if not number:
        return False, ""
    try:
        done = subprocess.run(["scontrol", "requeue", number], capture_output=True, text=True, timeout=60)
        problem = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        return False, f"job {number} could not be put into the queue again: {problem} (sbatch --requeue allows it)"
    return True, f"job {number} is in the queue again"

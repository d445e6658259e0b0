"""The Slurm job that a process is of."""

from __future__ import annotations

import os
import re
import subprocess

from jointst.common.units import Seconds

_LEFT = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
"""How squeue writes a time: [days-][hours:]minutes:seconds."""


def job_number() -> str:
    """The number of the Slurm job that this process is of, as ``scontrol`` wants it; empty where it is of none."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID", "")


def seconds_left() -> Seconds | None:
    """The time that a Slurm job has left; None where there is no such job, or no end to it."""
    if not job_number():
        return None
    try:
        command = ["squeue", "--noheader", "--jobs", job_number(), "--format", "%L"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _seconds(found)


def _seconds(text: str) -> Seconds | None:
    """Seconds of a time as squeue writes it; None for UNLIMITED and the like."""
    found = _LEFT.fullmatch(text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)

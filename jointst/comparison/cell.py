"""Running a cell: its stages as commands, in processes of their own, with a log and a note of how it ended."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jointst.common.files import write_atomically
from jointst.common.lock import Busy, Claim, hold, passing
from jointst.common.units import Seconds
from jointst.common.versions import hardware
from jointst.comparison.grid import Cell
from jointst.comparison.worker import MARK

Status = Literal["finished", "failed", "interrupted", "elsewhere", "waiting"]
POLL: Seconds = 0.1
GRACE: Seconds = 60.0
"""A stage that was interrupted may take this long to end."""
INTERRUPTED = 130
"""Exit status of a stage that was interrupted."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a cell ended.

    Attributes:
        status: elsewhere: another process has it; waiting: not begun.
        message: what went wrong.
        log: file with everything its stages printed.
        hardware: what it ran on.
    """

    status: Status
    message: str = ""
    log: str = ""
    hardware: str = ""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which comes to this process alone where Ctrl-C comes to the cell's, too."""


def terminated(number: int, frame: object) -> None:
    """A handler of signals.

    Raises:
        Terminated: always.
    """
    raise Terminated


def note_of(cell: Cell) -> Outcome:
    """What was noted of a cell when it last ended; waiting if nothing was."""
    try:
        return Outcome(**json.loads(cell.log.with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # no note, or one of another version: the stages' stamps decide
        return Outcome(status="waiting")


def _note(cell: Cell, outcome: Outcome) -> Outcome:
    write_atomically(cell.log.with_suffix(".json"), json.dumps(asdict(outcome), indent=1) + "\n")
    return outcome


def run_cell(
    cell: Cell,
    options: list[str],
    *,
    until: Seconds | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run the stages of a cell that are not up to date.

    Args:
        cell: the cell.
        options: of every stage that change no result, as ``--nj 2``.
        until: by ``time.monotonic``; then the running stage is interrupted as by Ctrl-C, to be continued.
        watch: is called again and again while a stage runs.

    Raises:
        KeyboardInterrupt: interrupted; what was finished is kept.
    """
    claim = Claim.beside(cell.context.exp)
    try:
        with hold([claim], f"a cell of jointst compare ({cell.title})", patience=0.0):
            return _run_locked(cell, options, claim, until, watch)
    except Busy as busy:
        if busy.folder != claim.folder:
            raise
        return Outcome(status="elsewhere", message="; ".join(busy.holders) or str(busy), log=str(cell.log))


def _run_locked(
    cell: Cell, options: list[str], claim: Claim, until: Seconds | None, watch: Callable[[], None]
) -> Outcome:
    log = str(cell.log)
    machine = hardware(int(options[options.index("--ngpu") + 1]) if "--ngpu" in options else 0)
    stages = [stage.name for stage in cell.left()]
    left, before = ",".join(stages), note_of(cell)
    if "train" not in stages and before.hardware:  # what is told is where it was trained
        machine = before.hardware
    if not left and before.status == "finished":
        return before
    if left:
        words = [sys.executable, "-m", "jointst.comparison.worker", left, *cell.arguments, *options]
        cell.log.parent.mkdir(parents=True, exist_ok=True)
        with cell.log.open("a", encoding="utf-8") as stream:
            begun = stream.tell()
            status = _run(words, stream.fileno(), claim, until, watch)
        stage, reason = _last_words(cell.log, begun, status)
        if status == INTERRUPTED or (until is not None and time.monotonic() >= until and status != 0):
            return Outcome(status="interrupted", message=f"in {stage}", log=log)
        if status != 0:
            return _note(cell, Outcome(status="failed", message=f"{stage}: {reason}", log=log, hardware=machine))
        changed = [f"{stage.name}: {stage.reason_to_run(cell.context)}" for stage in cell.left()[:1]]
        if changed:  # a settings file that was edited meanwhile: what was made is not what is compared
            message = f"{changed[0]} since the comparison was started"
            return _note(cell, Outcome(status="failed", message=message, log=log, hardware=machine))
    return _note(cell, Outcome(status="finished", log=log, hardware=machine))


def _run(words: list[str], output: int, claim: Claim, until: Seconds | None, watch: Callable[[], None]) -> int:
    """Exit status of a command; Ctrl-C reaches it as it reaches this process, being in the same group."""
    environment, files = passing(claim)  # the stage keeps the lock should this process be killed
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=files, env=environment
    )
    try:
        while process.poll() is None:
            watch()
            if until is not None and time.monotonic() >= until:
                process.send_signal(signal.SIGINT)
                process.wait(GRACE)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL)
    except KeyboardInterrupt as interrupted:
        _end(process, told=not isinstance(interrupted, Terminated))
        raise
    except subprocess.TimeoutExpired:
        _end(process)
        return INTERRUPTED
    return process.returncode


def _end(process: subprocess.Popen[bytes], *, told: bool = True) -> None:
    """Wait for a stage that was interrupted, or is to be, unless it was ``told``; should it hang kill it."""
    try:
        if told:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE / 10)
                return
        process.send_signal(signal.SIGINT)  # the first one may have come to this process alone
        process.wait(GRACE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.wait()


def _last_words(log: Path, begun: int, status: int) -> tuple[str, str]:
    """The stage that a cell was in when it ended, and why it did, from what was logged from byte ``begun``."""
    text = log.read_bytes()[begun:].decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    stages = [line.removeprefix(MARK).split()[0] for line in lines if line.startswith(MARK)]
    stage = stages[-1] if stages else "start"
    if status < 0:
        cause = " (most often for want of memory)" if status == -signal.SIGKILL else ""
        return stage, f"killed by signal {-status}{cause}"
    mark = f"jointst {stage}: error: "
    told = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
    return stage, (told or lines or [f"status {status}"])[-1]

"""Trainings in several processes, tried again and again with a fault in one of them; a table of what came of it.

Each try copies a toy recipe and starts the processes of one training. At a random update something happens to one of
them: see :data:`FAULTS`. All must end soon, with the exit status and the last line that belong to the fault and
without a traceback. Then what was broken is mended, and the same command must end with the model of an unbroken
training, to the bit. Processes are forked from one that has imported everything, so that a try takes seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kaldiio
import lightning
import torch
from try_locks import inside, make_in_child, same, status_of

import jointst.ranks.watch
import jointst.training.train
from jointst.ranks.spawn import free_port
from jointst.ranks.times import PATIENCE
from jointst.recipe.cli import main

UPDATES, VALIDATE_EVERY = 12, 4
TRAIN = ["train", "--conf", "conf.yaml", "--name", "toy", "--training.max_updates", str(UPDATES)]
TRAIN += ["--training.validate_every", str(VALIDATE_EVERY), "--training.speech_batch.max_utterances", "1"]
LONGEST = 60.0
"""Seconds within which all processes must have ended."""
HAPPENED = "happened"
"""File of a try: when the fault happened."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that happens to a process.

    Attributes:
        says: what the last line must match; {rank} is that of the process, {update} that of the fault.
        status: exit status of the process that says it.
        inject: does it, in the process and before the update; it gets the batch.
        prepare: breaks the recipe beforehand.
        first: whether it happens to the first process always.
        all: a signal for all processes at that moment, loader processes too, as Slurm sends it.
        settings: more arguments.
    """

    says: str
    status: int = 1
    inject: Callable[[Any], None] = lambda batch: None
    prepare: Callable[[Path], None] = lambda folder: None
    first: bool = False
    all: signal.Signals | None = None
    settings: tuple[str, ...] = ()


def kill(batch: Any) -> None:
    """As the kernel does where memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def not_a_number(batch: Any) -> None:
    """Features of one process that are not finite."""
    batch.paired.features.fill_(float("nan"))


def no_memory(batch: Any) -> None:
    """What Python and torch raise on the CPU."""
    raise MemoryError


def fill_disk(batch: Any) -> None:
    """No file may become as large as a checkpoint is."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def kill_loader(batch: Any) -> None:
    """One of the processes that read ahead."""
    child = multiprocessing.active_children()[0]
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)


def cut_ark(folder: Path) -> None:
    """The last utterance of the training set lacks half of its features."""
    with inside(folder):
        key, place = Path("data/a/feats.scp").read_text().splitlines()[-1].split(maxsplit=1)
        path, _, offset = place.rpartition(":")
        whole = Path(path).stat().st_size
        os.truncate(path, (int(offset) + whole) // 2)


FAULTS: dict[str, Fault] = {
    "kill -9": Fault(
        says=r"rank {rank} of .*: error: its process was killed.* last seen .*update \d+, on .*([ab])-\1\d", inject=kill
    ),
    "not finite": Fault(
        says=r"rank {rank} of .*: error: update \d+: the loss is not finite .*a-a\d", inject=not_a_number
    ),
    "cut ark": Fault(says=r"rank \d of .*: error: .*a-a3", prepare=cut_ark),
    "out of memory": Fault(
        says=r"rank {rank} of .*: error: update \d+: out of memory on .*a-a\d.*the last checkpoint stays",
        inject=no_memory,
    ),
    "full disk": Fault(
        says=r"rank 0 of .*: error: exp/toy/checkpoints/.*what was finished is kept", inject=fill_disk, first=True
    ),
    "loader killed": Fault(
        says=r"rank {rank} of .*: error: update \d+: a process that reads batches ahead has ended.*a-a\d",
        inject=kill_loader,
        settings=("--training.workers", "1"),
    ),
    "SIGTERM": Fault(
        says=r"jointst train: stopped after update \d+ by SIGTERM; the same command goes on from there$",
        status=128 + signal.SIGTERM,
        all=signal.SIGTERM,
        settings=("--training.workers", "1"),
    ),
}
"""What is tried; a new kind is a row here."""


class Injector(lightning.Callback):
    """Does it at an update.

    Args:
        fault: what.
        update: before which.
    """

    def __init__(self, fault: Fault, update: int) -> None:
        self._fault, self._update = fault, update

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        """Do it once."""
        if trainer.global_step + 1 == self._update and not Path(HAPPENED).exists():
            Path(HAPPENED).write_text(str(time.time()))
            self._fault.inject(batch)


@dataclass(kw_only=True)
class Try:
    """One try and what came of it.

    Attributes:
        kind: of fault.
        rank: of the process.
        update: before which it happened.
        seconds: from then until all had ended, or from the start where it was broken before.
        status: of the process that had to speak.
        line: that came last.
        wrong: what was not as it should be.
    """

    kind: str
    rank: int
    update: int
    seconds: float = 0.0
    status: int = 0
    line: str = ""
    wrong: list[str] = dataclasses.field(default_factory=list)


def start(folder: Path, log: Path, rank: int, world: int, port: int, arguments: list[str], injector: Any) -> int:
    """A process of a training, with a log that all share; its number."""
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        os.setsid()
        os.chdir(folder)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(file, 1)
        os.dup2(file, 2)
        own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "MASTER_PORT": port}
        os.environ.update({key: str(value) for key, value in own.items()}, MASTER_ADDR="127.0.0.1", GROUP_RANK="0")
        if injector is not None:
            plain = lightning.Trainer

            def faulty(*, callbacks: list[Any], **settings: Any) -> lightning.Trainer:
                return plain(callbacks=[*callbacks, injector], **settings)  # after those that say what is worked on

            lightning.Trainer = faulty
        status = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def train(folder: Path, log: str, world: int, more: tuple[str, ...], faulty: Try | None = None) -> list[int]:
    """Train in several processes; their exit statuses, negative for signals."""
    port = free_port()
    processes = []
    for rank in range(world):
        injector = None
        if faulty is not None and rank == faulty.rank:
            injector = Injector(FAULTS[faulty.kind], faulty.update)
        processes.append(start(folder, folder / log, rank, world, port, [*TRAIN, *more], injector))
    if faulty is not None and FAULTS[faulty.kind].all is not None:
        until = time.monotonic() + LONGEST
        while not (folder / HAPPENED).exists() and time.monotonic() < until:
            time.sleep(0.01)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, FAULTS[faulty.kind].all or 0)
    return [ended(process) for process in processes]


def ended(process: int) -> int:
    """The status of a process; one that does not end is killed, and shows."""
    until = time.monotonic() + 2 * LONGEST
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    status_of(process)
    return 0


def attempt(made: Path, folder: Path, world: int, draw: random.Random, kind: str, reference: Path) -> Try:
    """One try in a copy of the recipe."""
    fault = FAULTS[kind]
    rank, update = 0 if fault.first else draw.randrange(world), draw.randrange(2, UPDATES)
    if kind in ("full disk", "SIGTERM"):  # a checkpoint is still to come, and a last update beside the very last
        update = min(update, UPDATES - VALIDATE_EVERY)
    found = Try(kind=kind, rank=rank, update=update)
    shutil.copytree(made, folder)
    fault.prepare(folder)
    started = time.time()
    statuses = train(folder, "log", world, fault.settings, found)
    said = (folder / "log").read_text(errors="replace")
    happened = folder / HAPPENED
    found.seconds = time.time() - (float(happened.read_text()) if happened.exists() else started)
    found.line = said.strip().splitlines()[-1] if said.strip() else ""
    found.status = next((status for status in statuses if status == fault.status), 0)
    if found.seconds > LONGEST or 0 in statuses:
        found.wrong.append(f"not all have ended, or one as if all were well: {statuses}, {found.seconds:.0f} s")
    if not found.status:
        found.wrong.append(f"no process had status {fault.status}: {statuses}")
    if not re.search(fault.says.format(rank=rank), found.line):
        found.wrong.append(f"last line: {found.line}")
    if "Traceback" in said:
        found.wrong.append(f"a traceback: {said[said.index('Traceback') :][:2000]}")
    if kind == "cut ark":
        shutil.rmtree(folder / "dump")
        shutil.copytree(made / "dump", folder / "dump")
    statuses = train(folder, "again", world, fault.settings)
    model = folder / "exp/toy/model.safetensors"
    if any(statuses) or not model.is_file():
        found.wrong.append(f"did not go on: {statuses}: {(folder / 'again').read_text(errors='replace')[-1500:]}")
    elif not same(model, reference):
        found.wrong.append("the continued training came to another model")
    return found


def shown(tries: list[Try]) -> str:
    """The table."""
    lines = ["| fault | rank | update | s to the end of all | exit status | last line | as it should be |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for item in tries:
        line = item.line if len(item.line) < 150 else f"{item.line[:147]}..."
        row = [item.kind, item.rank, item.update, f"{item.seconds:.1f}", item.status, line]
        row.append("no" if item.wrong else "yes")
        lines.append(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |")
    return "\n".join(lines)


def run() -> int:
    """Make the tries and print the table; 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--world", type=int, default=2, help="processes of a training (%(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=tuple(FAULTS), default=list(FAULTS), help="in turn (all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the tries there, as JSON")
    options = parser.parse_args()
    assert all((kaldiio, jointst.training.train, jointst.ranks.watch)), "imported for the processes that are forked"
    os.environ.setdefault(PATIENCE, "10")
    draw = random.Random(options.seed)
    tries: list[Try] = []
    with tempfile.TemporaryDirectory(prefix="try_faults-") as name:
        made, whole = Path(name, "made"), Path(name, "whole")
        make_in_child(made)
        shutil.copytree(made, whole)
        if any(train(whole, "log", options.world, ())):
            raise SystemExit(f"try_faults: an unbroken training failed: {(whole / 'log').read_text()[-3000:]}")
        for number in range(options.tries):
            kind = options.kinds[number % len(options.kinds)]
            folder = Path(name, f"try{number}")
            tries.append(attempt(made, folder, options.world, draw, kind, whole / "exp/toy/model.safetensors"))
            print(f"{number + 1}/{options.tries} {kind}: {'; '.join(tries[-1].wrong) or 'as it should be'}", flush=True)
            shutil.rmtree(folder)
    print(shown(tries))
    if options.out:
        options.out.write_text(json.dumps([dataclasses.asdict(item) for item in tries], indent=1))
    return 1 if any(item.wrong for item in tries) else 0


if __name__ == "__main__":
    assert torch, "imported for the processes that are forked"
    sys.exit(run())

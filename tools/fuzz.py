#!/usr/bin/env python3
"""Look for inputs that a reader fails on: another exception than an error that names the file, a hang, or a crash.

Usage: tools/fuzz.py [--minutes 60] [--targets NAME ...] [--out FOLDER] [--seed N]

Goes through the targets of test/fuzz in turns, each turn in a process of its own, and prints how many inputs each of
them was given. Every failing input, made as small as can be, becomes a file in the folder, and a row for the table in
test/fuzz/found.py is printed. Exit status 1 if there was any.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "test")]

from fuzz.registry import TARGETS  # noqa: E402
from fuzz.target import Problem, inputs, judge  # noqa: E402
from hypothesis import HealthCheck, given, seed, settings  # noqa: E402

TURN = 30.0
"""Seconds of a turn."""
GRACE = 300.0
"""Seconds after the end of a turn until it counts as a hang: a failure may have to be made small."""
BATCH = 20
"""Inputs between two looks at the clock."""
ROW = 120
"""Longer inputs are named by their file in a row."""


class _Failed(AssertionError):
    """The reader failed on an input in a way that is not known yet."""


def turn(name: str, number: int, seconds: float, current: Path, parent: Connection) -> None:
    """Give a target inputs for some time; sends how many, and the smallest input of each kind of failure.

    Args:
        name: of the target.
        number: seed.
        seconds: how long.
        current: holds the input that is being read, for the case that this process dies of it.
        parent: where to send.
    """
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- for as long as the process lasts
    target = TARGETS[name]
    known: set[str] = set()
    failing: list[tuple[bytes, Problem]] = []  # of one batch, all of a kind
    count = 0

    def read(content: bytes) -> None:
        nonlocal count
        count += 1
        current.write_bytes(content)
        problem = judge(target, content)
        if problem and problem.kind not in known and all(found.kind == problem.kind for _, found in failing):
            failing.append((content, problem))
            raise _Failed(problem.kind)

    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        number += 1
        failing.clear()
        batch = settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        try:
            seed(number)(batch(given(inputs(target))(lambda content: read(content))))()
        except _Failed:
            content, problem = min(failing, key=lambda item: len(item[0]))
            known.add(problem.kind)
            parent.send((content, problem))
        parent.send(count)
        count = 0
    current.unlink(missing_ok=True)


def take_turn(name: str, number: int, seconds: float, folder: Path) -> tuple[int, list[tuple[bytes, Problem]]]:
    """One turn in a process of its own: inputs read, and failures."""
    context = multiprocessing.get_context("fork")  # what was imported need not be imported again
    here, there = context.Pipe(duplex=False)
    current = folder / f".{name}.current"
    process = context.Process(target=turn, args=(name, number, seconds, current, there))
    process.start()
    there.close()
    ends = time.monotonic() + seconds + GRACE
    count, found = 0, []
    try:
        while here.poll(max(0.0, ends - time.monotonic())):
            item = here.recv()
            if isinstance(item, int):
                count += item
            else:
                found.append(item)
    except EOFError:
        process.join()
    content = current.read_bytes() if current.is_file() else b""
    if process.is_alive():
        process.kill()
        process.join()
        found.append((content, Problem("does not end", f"{GRACE:g} s after its turn")))
    elif process.exitcode:
        found.append((content, Problem(f"the process died: {process.exitcode}", "")))
    current.unlink(missing_ok=True)
    return count, found


def keep(name: str, content: bytes, problem: Problem, folder: Path) -> None:
    """Write a failing input to the folder, and print its row."""
    path = folder / f"{name}_{hashlib.sha256(content).hexdigest()[:8]}.bin"
    path.write_bytes(content)
    path.with_suffix(".txt").write_text(f"{problem.kind}\n{problem.report}\n", encoding="utf-8", errors="replace")
    shown = repr(content if len(content) <= ROW else path.name)
    print(f"{path}: {problem.kind}\n    ({name!r}, {shown}, {problem.kind!r}),", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--targets", nargs="+", choices=sorted(TARGETS), default=list(TARGETS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("fuzz_found"))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    folder: Path = options.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * options.minutes
    counts = dict.fromkeys(options.targets, 0)
    kinds: set[tuple[str, str]] = set()
    number = options.seed
    while time.monotonic() < ends:
        for name in counts:
            left = ends - time.monotonic()
            if left <= 0:
                break
            number += 1_000_000
            seconds = min(TURN, 60 * options.minutes / len(counts), left)
            count, found = take_turn(name, number, seconds, folder)
            counts[name] += count
            for content, problem in found:
                if (name, problem.kind) not in kinds:
                    kinds.add((name, problem.kind))
                    keep(name, content, problem, folder)
    for name, count in counts.items():
        print(f"{count:10d}  {name}")
    print(f"{sum(counts.values()):10d}  inputs in all, {len(kinds)} kinds of failure")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())

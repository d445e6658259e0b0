"""``jointst compare``: a grid of systems and seeds for one recipe, run, continued, and laid side by side."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import shlex
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from jointst.common.errors import JointstError
from jointst.common.files import write_atomically
from jointst.common.lock import Busy, Claim, hold
from jointst.common.units import Seconds
from jointst.comparison.cell import Outcome, terminated
from jointst.comparison.grid import CONTROLS, Cell, Control, Grid, check_data
from jointst.comparison.launch import ASK_EVERY, run_array, run_here, time_array, time_here
from jointst.comparison.pace import TOLERANCE, EqualTime, equal_time
from jointst.comparison.stored import stored_text
from jointst.comparison.summary import summarise
from jointst.comparison.tables import failures, text_of
from jointst.training.pace import Paces

DEFAULT_SYSTEMS = ("paired", "joist", "best")
FAILED, UNFINISHED = 1, 3
"""Exit statuses: a cell failed; cells are left, for another call."""
WHAT = "jointst compare"
TOGETHER: Seconds = 5.0
"""Calls that begin at once wait so long for the one that writes the grid."""
SHARED = ("conf", "overrides", "folder", "time_of")
"""What calls that share a comparison's cells must have in common; systems and seeds may be others."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise JointstError(f"{message} (jointst compare --help shows all options)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jointst compare",
        description="Train, decode and score every system with every seed, and lay them side by side in one table; run "
        "in a recipe's folder whose data is made (./run.sh --stop-stage 5). A system is the stem of a file in "
        "../systems, ../systems/ablations or conf, or several joined by +, as in best+mask_30.",
        epilog="Run it again to go on after an interruption: what is finished is skipped, what failed is tried again, "
        "and options that are left out are those of the first time. Settings for all cells go after --. Exit status: "
        "0 all is finished, 1 a cell failed, 3 cells are left (the time was up, or another process has them).",
    )
    add = parser.add_argument
    add("--name", default="systems", help="of the comparison; it is made in exp/compare/NAME (%(default)s)")
    add("--conf", action="append", metavar="FILE", help="settings of the recipe (conf/train.yaml)")
    add("--systems", nargs="+", metavar="SYSTEM", help=f"what is compared ({' '.join(DEFAULT_SYSTEMS)})")
    add("--seeds", nargs="+", type=int, metavar="N", help="of each system (0 1 2)")
    add("--controls", nargs="+", choices=CONTROLS, help="what is equal; time needs the trainings of updates (updates)")
    add("--baseline", metavar="SYSTEM", help="what changes are relative to (the first system)")
    add("--time-of", metavar="SYSTEM", help="whose training time all get under time (the baseline)")
    add("--systems-folder", dest="folder", metavar="DIR", help="where the systems' files are (../systems)")
    add("--for", dest="seconds", type=float, metavar="SECONDS", help="stop then, to be continued by another call")
    add("--align", action="store_true", default=None, help="run stage 9, align, in every cell, too")
    add("--probe", action="store_true", default=None, help="run jointst probe in every cell, too")
    add("--store", action="store_true", help="also write results/NAME.json, of which jointst results makes RESULTS.md")
    add("--launcher", choices=("local", "slurm"), default="local", help="one cell after another, or a Slurm array")
    add("--slurm", nargs="+", type=_setting, default=[], metavar="KEY=VALUE", help="submitit's: timeout_min=600 ...")
    add("--nj", type=int, default=2, help="processes of a stage (%(default)s)")
    add("--ngpu", type=int, default=0, help="GPUs of a cell (%(default)s)")
    return parser


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, yaml.safe_load(value)


def _grid(options: argparse.Namespace, overrides: list[str]) -> Grid:
    """The grid of the first time, with what is stated now."""
    known = Grid.read(options.name)
    stated = {key: getattr(options, key) for key in ("conf", "systems", "seeds", "controls", "baseline", "time_of")}
    stated |= {"folder": options.folder, "align": options.align, "probe": options.probe, "overrides": overrides or None}
    known |= {key: tuple(v) if isinstance(v, list) else v for key, v in stated.items() if v is not None}
    known.setdefault("systems", DEFAULT_SYSTEMS)
    if known.get("baseline") not in known["systems"] and options.baseline is None:
        known["baseline"] = known["systems"][0]
    if known.get("time_of") not in known["systems"] and options.time_of is None:
        known["time_of"] = known["baseline"]
    return Grid(**{**known, "name": options.name})


def run(arguments: list[str]) -> int:
    """Run the command; 0, :data:`FAILED` or :data:`UNFINISHED`.

    Raises:
        JointstError: options that do not fit, an unknown system, or data that is not made.
        KeyboardInterrupt: interrupted; what was finished is kept.
    """
    own, overrides = arguments, []
    if "--" in arguments:
        place = arguments.index("--")
        own, overrides = arguments[:place], arguments[place + 1 :]
    options = _parser().parse_args(own)
    if options.nj < 1 or options.ngpu < 0 or (options.seconds is not None and options.seconds <= 0):
        raise JointstError("--nj must be at least 1, --ngpu at least 0, --for above 0")
    grid = _grid(options, overrides)
    check_data(grid)
    if options.seconds is not None:  # a shell lets what runs in the background ignore interruptions
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminated)  # else the cell under way would go on alone
    command = shlex.join(["jointst", "compare", *arguments])
    data = {claim for system in grid.systems for claim in grid.base(system).reading}
    with hold(sorted(data, key=str), WHAT, command), _together(grid, command):
        return Comparison(grid, options).run()


@contextlib.contextmanager
def _together(grid: Grid, command: str) -> Iterator[None]:
    """Work on a comparison with other calls that make the same trainings, and remember the grid.

    Raises:
        Busy: other calls are at work on it with other settings.
    """
    with contextlib.suppress(Busy), hold([Claim.beside(grid.path)], WHAT, command, patience=0.0):
        grid.write()  # nobody else is there
    with hold([Claim.beside(grid.path, shared=True)], WHAT, command, patience=TOGETHER):
        known = Grid.read(grid.name)
        stated = json.loads(json.dumps(dataclasses.asdict(grid)))
        differing = [key for key in SHARED if _plain(known.get(key)) != stated[key]]
        if differing:
            raise Busy(
                grid.path, [f"a comparison with other settings ({', '.join(differing)}; see {grid.path}/grid.json)"]
            )
        grid.write()
        yield


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class Comparison:
    """One call of the command.

    Args:
        grid: what is compared.
        options: how it is run.
    """

    def __init__(self, grid: Grid, options: argparse.Namespace) -> None:
        self._grid = grid
        self._options = options
        self._until = None if options.seconds is None else time.monotonic() + options.seconds
        self._outcomes: dict[str, Outcome] = {}
        self._cells: dict[Control, list[Cell]] = {}
        self._budgets: dict[Control, str] = {}
        self._paces: Paces = {}

    def run(self) -> int:
        """Run all cells, then write and print the tables; the exit status."""
        grid = self._grid
        self._cells["updates"] = [grid.cell(system, seed, "updates", None) for seed, system in self._order()]
        updates = sorted({c.context.config.training.max_updates for c in self._cells["updates"]})
        self._budgets["updates"] = f"{' or '.join(map(str, updates))} updates in every system"
        self._launch(self._cells["updates"])
        if "time" in grid.controls:
            self._equal_time()
        summary = summarise(grid, self._cells, self._outcomes, self._budgets, self._paces)
        self._write(summary)
        left = [cell for found in summary["controls"].values() for cell in found["cells"]]
        if any(cell["status"] == "failed" for cell in left):
            return FAILED
        missing = "time" in grid.controls and "time" not in self._cells
        return UNFINISHED if missing or failures(left) else 0

    def _order(self) -> list[tuple[int, str]]:
        """Seed by seed, so that a comparison is whole early."""
        return [(seed, system) for seed in self._grid.seeds for system in self._grid.systems]

    def _launch(self, cells: Sequence[Cell]) -> None:
        options = ["--nj", str(self._options.nj), "--ngpu", str(self._options.ngpu)]
        if self._options.launcher == "slurm":
            outcomes = run_array(cells, options, dict(self._options.slurm))
        else:
            outcomes = run_here(cells, options, self._until)
        self._outcomes |= {cell.key: outcome for cell, outcome in zip(cells, outcomes, strict=True)}

    def _equal_time(self) -> None:
        """The cells at equal time, once those at equal updates have all ended."""
        grid, measured = self._grid, self._cells["updates"]
        waiting = [c for c in measured if self._outcomes[c.key].status not in ("finished", "failed")]
        if waiting:
            print(f"equal time: waits for {len(waiting)} cells at equal updates", flush=True)
            return
        done = {cell.system: cell for cell in reversed(measured) if not cell.left()}
        if grid.time_of not in done:
            print(f"equal time: no training of {grid.time_of} is finished, so its time is not known", flush=True)
            return
        budget = self._budget(done)
        if budget is None:
            print("equal time: another process measures how long updates take", flush=True)
            return
        self._paces = budget.paces
        # A system without a pace has failed at equal updates, and shows here as that cell.
        self._cells["time"] = [
            grid.cell(system, seed, "time", budget.updates.get(system)) for seed, system in self._order()
        ]
        self._budgets["time"] = _words(budget)
        self._launch([cell for cell in self._cells["time"] if cell.key not in self._outcomes])

    def _budget(self, done: Mapping[str, Cell]) -> EqualTime | None:
        """What all get under equal time, from a finished cell of each system; None if the time is up before."""
        grid, options = self._grid, self._options

        def measure(names: Sequence[str]) -> Paces:
            contexts = {name: dataclasses.replace(done[name].context, ngpu=options.ngpu) for name in names}
            return time_array(contexts, grid.path, dict(options.slurm)) if slurm else time_here(contexts)

        slurm = options.launcher == "slurm"
        path = grid.path / "time.json"
        configs = {name: grid.base(name).config for name in grid.systems if name in done}
        while True:
            with contextlib.suppress(Busy), hold([Claim.beside(path)], "the timing of updates", patience=0.0):
                return equal_time(path, grid.time_of, configs, measure)
            if self._until is not None and time.monotonic() >= self._until:
                return None
            time.sleep(ASK_EVERY)

    def _write(self, summary: dict[str, Any]) -> None:
        from jointst.comparison.page import html_of

        grid, content = self._grid, json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
        text = text_of(summary)
        write_atomically(grid.path / "summary.json", content)
        write_atomically(grid.path / "summary.txt", text)
        write_atomically(grid.path / "report.html", html_of(summary))
        print(text, end="")
        if self._options.store:
            write_atomically(Path("results") / f"{grid.name}.json", stored_text(summary))
            print(f"stored: results/{grid.name}.json")
        print(f"report: {grid.path / 'report.html'}", flush=True)


def _words(budget: EqualTime) -> str:
    others = [f"{updates} of {name}" for name, updates in budget.updates.items()]
    alike = [name for name in budget.paces if name not in budget.updates and name != budget.system]
    words = f"the time of {budget.system} for {budget.full} updates, which is that of {', '.join(others) or 'no other'}"
    if alike:
        words += f", and within {100 * TOLERANCE:.0f} % that of {budget.full} of {', '.join(alike)}"
    return f"{words}; by the milliseconds of an update"

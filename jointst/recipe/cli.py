"""The command line: ``jointst <command> [--conf FILE] [--nj N] [--ngpu N] [--force] [--section.key VALUE ...]``."""

from __future__ import annotations

import importlib
import io
import os
import shlex
import sys
import time
from pathlib import Path

from jointst.common.errors import AGAIN, JointstError, last_words
from jointst.common.lock import hold
from jointst.common.place import check_asked, find_place
from jointst.common.threads import set_threads, sleep_while_waiting
from jointst.config.context import Context
from jointst.config.help import asked
from jointst.config.load import parse
from jointst.ranks.group import current
from jointst.ranks.spawn import run_processes
from jointst.recipe.commands import COMMANDS, RECIPE_COMMANDS, Command
from jointst.recipe.job import in_job, queue_again, run_as_job
from jointst.recipe.stage import Stage
from jointst.recipe.stages import STAGES

SETTINGS = "conf/train.yaml"
"""The settings of a recipe, in its folder."""


def usage() -> str:
    """The help text: the stages in order, then the other commands."""
    lines = ["usage: jointst <command> [--conf FILE] [--nj N] [--ngpu N] [--force] [--<section>.<key> VALUE ...]", ""]
    lines += [f"  {stage.number:2d}  {stage.name:10s} {stage.help}" for stage in STAGES]
    lines += [f"      {command.name:10s} {command.help}" for command in RECIPE_COMMANDS]
    lines += ["", "usage: jointst <command> ARGUMENT ...", ""]
    lines += [f"      {command.name:10s} {command.help}" for command in COMMANDS]
    lines += [
        "",
        "jointst <command> --help lists its options. For the settings of a stage: --help SECTION, --help all, and with",
        "their values --print_config.",
    ]
    return "\n".join(lines)


def print_anything() -> None:
    """Print escapes for what the terminal's encoding has no characters for, as ids in another script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 a fault the user can mend, 130 interrupted."""
    print_anything()
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 1
    known: list[Stage | Command] = [*STAGES, *RECIPE_COMMANDS, *COMMANDS]
    command = next((command for command in known if command.name == arguments[0]), None)
    if command is None:
        print(f"jointst: error: no command {arguments[0]!r}\n\n{usage()}", file=sys.stderr)
        return 1
    sleep_while_waiting()  # some commands import torch before they set threads
    try:
        return command.run(arguments[1:]) if isinstance(command, Command) else _run(command, arguments[1:])
    except (Exception, KeyboardInterrupt) as error:
        words = last_words(error)
        if words is None:
            raise
        print(f"jointst {command.name}: {words[1]}", file=sys.stderr)
        if words[0] == AGAIN:
            queue_again()
        if isinstance(error, BrokenPipeError):  # what is still buffered would fail once more at exit, with a traceback
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return words[0]


def _run(stage: Stage, arguments: list[str]) -> int:
    """Run a stage unless all it makes is up to date."""
    if stage.alone and not asked(arguments) and names_directories(arguments):
        return _call(stage.alone, arguments)
    for option, function in stage.instead.items():
        if any(word.partition("=")[0] == option for word in arguments):
            return _call(function, arguments)
    context = parse(stage.name, stage.help, arguments, spreads=bool(stage.follow))
    _remark_on_settings(stage, arguments)
    place = find_place()
    if place is not None:
        if not stage.follow:
            raise JointstError(f"runs in one process, and {place.world} were started: leave torchrun or srun out")
        check_asked(place, nodes=context.nodes, nproc=context.nproc, ngpu=context.ngpu)
        from jointst.recipe.together import run_together

        return run_together(place, stage, context, lambda: _work(stage, context, arguments))
    submits = context.launcher == "slurm" and not in_job()
    if stage.follow and (submits or context.processes > 1):
        if not stage.reason_to_run(context):
            return _up_to_date(stage)
        if submits:
            return run_as_job(context, [stage.name, *arguments])
        return run_processes([sys.executable, "-m", "jointst", stage.name, *arguments], context.processes)
    return _work(stage, context, arguments)


def _remark_on_settings(stage: Stage, arguments: list[str]) -> None:
    """Say so where a recipe's settings lie here and none are asked for."""
    if Path(SETTINGS).is_file() and not any(word.partition("=")[0] == "--conf" for word in arguments):
        said = f"runs with the default settings; those of this recipe: --conf {SETTINGS}"
        print(f"jointst {stage.name}: {said}", file=sys.stderr, flush=True)


def _work(stage: Stage, context: Context, arguments: list[str]) -> int:
    """Run a stage as the process that has its locks and prints."""
    set_threads(None)
    group = current()
    if not stage.reason_to_run(context):
        group.tell("work", False)
        return _up_to_date(stage)
    with hold(stage.locks(context), stage.title, shlex.join(["jointst", stage.name, *arguments])):
        reason = stage.reason_to_run(context)
        group.tell("work", bool(reason))
        if not reason:
            return _up_to_date(stage)  # another process has just finished it
        print(f"{stage.title}: {reason}", flush=True)
        started = time.monotonic()
        made = stage.run(context)
        seconds = time.monotonic() - started
        print(f"{stage.title}: {made.what} -> {made.where} ({seconds:.1f} s)", flush=True)
    return 0


def _up_to_date(stage: Stage) -> int:
    print(f"{stage.title}: up to date")
    return 0


def _call(function: str, arguments: list[str]) -> int:
    module, name = function.split(":")
    status: int = getattr(importlib.import_module(module), name)(arguments)
    return status


RECIPE = ("--conf", "--name", "--ngpu", "--force", "--print_config")
"""Options that only a stage has that belongs to a recipe."""


def names_directories(arguments: list[str]) -> bool:
    """Whether a stage is to look at folders that its command line names, and not at those of settings."""
    options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    if any(option in RECIPE or "." in option for option in options):
        return False
    return any(not word.startswith("-") and not word.isdigit() for word in arguments)

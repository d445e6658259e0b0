"""Command lines are read by the programs that they call, which then do nothing.

An option or a file that does not exist fails, with the recipe's settings around it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from documentation.commands import ROOT

from jointst.config.help import sections
from jointst.config.load import parse
from jointst.export.onnx import check
from jointst.recipe.cli import names_directories
from jointst.recipe.commands import COMMANDS, RECIPE_COMMANDS
from jointst.recipe.stages import STAGES

NAMES = {*(stage.name for stage in (*STAGES, *RECIPE_COMMANDS)), *(command.name for command in COMMANDS)}
"""Every command of jointst."""

SECTIONS = {section.name for section in sections()}
"""What ``--help`` of a stage has settings of."""


class _Parsed(Exception):
    """The options of a program that has read its command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options


def read_options(run: Callable[[], Any]) -> argparse.Namespace:
    """The options of a program, which is stopped once it has read them.

    Args:
        run: begins the program; it parses the first thing.
    """
    whole = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> argparse.Namespace:
        raise _Parsed(whole(self, args, namespace))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        try:
            run()
        except _Parsed as found:
            return found.options
        except SystemExit as stopped:
            raise AssertionError(f"it takes no such options (status {stopped.code})") from None
    raise AssertionError("it has read no options")


@functools.cache
def read_settings(words: tuple[str, ...], folder: Path, *, spreads: bool = False) -> None:
    """Settings as a stage reads them in a recipe's folder, which must be the working directory; one that ``spreads``
    runs in several processes."""
    assert Path.cwd() == folder
    parse("train", "", list(words), spreads=spreads)


def jointst(words: Sequence[str]) -> None:
    """``jointst`` and its words."""
    assert words, "names no command"
    name, *rest = words
    stage = next((stage for stage in (*STAGES, *RECIPE_COMMANDS) if stage.name == name), None)
    if stage is not None:
        if check.OPTION in stage.instead and check.OPTION in rest:
            _, rest = check._names(rest)
        rest = [word for word in rest if word not in stage.instead]
        if stage.alone and names_directories(rest):
            module, function = stage.alone.split(":")
            read_options(lambda: getattr(importlib.import_module(module), function)(rest))
            return
        stated = tuple(word for word in rest if word != "--print_config")
        read_settings(stated, Path.cwd(), spreads=bool(stage.follow))
        return
    command = next((command for command in COMMANDS if command.name == name), None)
    assert command is not None, f"there is no command {name!r}"
    if name == "fix":
        fix(rest)
    elif name == "compare":
        compare(rest)
    else:
        read_options(lambda: command.run(rest))


def fix(words: Sequence[str]) -> None:
    """``jointst fix``: its few options, and settings."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--dry-run", "--rules"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("--max-dropped")
    _, rest = parser.parse_known_args(list(words))
    read_settings(tuple(rest), Path.cwd())


def compare(words: Sequence[str]) -> None:
    """``jointst compare``: options, files of systems, and settings of all cells."""
    from jointst.comparison.command import run

    own, overrides = list(words), []
    if "--" in own:
        place = own.index("--")
        own, overrides = own[:place], own[place + 1 :]
    options = read_options(lambda: run(own))
    for system in options.systems or ():
        for part in system.split("+"):
            folders = (options.folder or "../systems", f"{options.folder or '../systems'}/ablations", "conf")
            assert any(Path(folder, f"{part}.yaml").is_file() for folder in folders), f"there is no system {part!r}"
    confs = [word for conf in options.conf or ["conf/train.yaml"] for word in ("--conf", conf)]
    read_settings((*confs, *overrides), Path.cwd())


def run_sh(words: Sequence[str]) -> list[list[str]]:
    """``run.sh`` of a recipe, dry: the words of each ``jointst`` command that it would run, settings read."""
    done = subprocess.run([words[0], "--dry-run", *words[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if "--help" in words:
        return []
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    folder = Path(lines[0][1])
    stages = [line[line.index("jointst") + 1 :] for line in lines[1:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        read_settings(tuple(stages[0][1:]), Path.cwd())
    return stages


def script(words: Sequence[str]) -> None:
    """A Python program of ``tools/``; files of settings that it names must be there."""
    path = Path(words[0])
    assert path.is_file(), f"there is no {path}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(path), *words[1:]])
        patch.setattr(sys, "path", [str(path.resolve().parent), *sys.path])
        options = read_options(lambda: runpy.run_path(str(path), run_name="__main__"))
    conf = getattr(options, "conf", None) or []
    for name in [conf] if isinstance(conf, (str, Path)) else conf:
        assert Path(name).is_file(), f"there is no {name}"


def install(words: Sequence[str]) -> None:
    """``tools/install.sh``: extras that it and setup.py know."""
    known = (ROOT / "tools/install.sh").read_text(encoding="utf-8")
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert words[1::2] == ["--extra"] * len(words[1::2]), "it takes --extra NAME alone"
    for extra in words[2::2]:
        assert f'"{extra}": [' in setup, f"setup.py has no extra {extra}"
        assert f"|{extra}|" in known or f"|{extra})" in known or f" {extra}|" in known, f"it knows no {extra}"

"""Every command: stages with what they read and make, and the help of those with options of their own."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from docs_site.markdown import code, plain, table
from jointst.config import Config
from jointst.config.context import Context
from jointst.recipe.cli import main
from jointst.recipe.commands import COMMANDS, RECIPE_COMMANDS
from jointst.recipe.stage import Stage
from jointst.recipe.stages import STAGES

SHOWN = 3
"""Files of a stage that are named at most."""
COLUMNS = 100
"""Width of a command's help."""


def help_of(*words: str) -> str:
    """What ``jointst <words> --help`` prints.

    Raises:
        SystemExit: it prints nothing, as where an extra is missing.
    """
    printed, faults = io.StringIO(), io.StringIO()
    os.environ["COLUMNS"] = str(COLUMNS)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(faults), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    if not printed.getvalue():
        raise SystemExit(f"jointst {' '.join(words)} --help prints nothing: {faults.getvalue()}")
    text = printed.getvalue().rstrip()
    if "--training.max_updates" in text:  # all settings, which have a page of their own
        return text.split("\n\n")[1]
    return text


def _files(paths: list[Path]) -> str:
    more = f", {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(code(str(path)) for path in paths[:SHOWN]) + more


def _row(stage: Stage, context: Context) -> list[str]:
    sections = ", ".join(map(code, stage.sections))
    command = code(f"jointst {stage.name}")
    return [command, plain(stage.help), sections, _files(stage.inputs(context)), _files(stage.outputs(context))]


def stages() -> str:
    """The stages in their order, with what they read and make in a recipe of default settings."""
    context = Context(config=Config(), name="train")
    rows = [[str(stage.number), *_row(stage, context)] for stage in STAGES]
    return table(["stage", "command", "what it does", "settings", "reads", "makes"], rows)


def of_recipes() -> str:
    """The other commands that work in a recipe's folder with its settings."""
    context = Context(config=Config(), name="train")
    rows = [_row(command, context) for command in RECIPE_COMMANDS]
    return table(["command", "what it does", "settings", "reads", "makes"], rows)


def with_options() -> str:
    """The help of each command that has options of its own."""
    parts = []
    for words in [*((command.name,) for command in COMMANDS), ("validate", "DIR")]:
        parts.append(f"### jointst {' '.join(words)}\n\n````text\n{help_of(*words)}\n````\n")
    return "\n".join(parts)

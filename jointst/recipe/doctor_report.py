"""``jointst doctor --report``: what whoever reads an issue must know of an environment, as Markdown to paste there."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jointst.common.errors import JointstError
from jointst.common.threads import set_threads
from jointst.common.versions import hardware, versions
from jointst.config import Config
from jointst.config.context import Context
from jointst.config.load import parse
from jointst.recipe.doctor import CHECKS

CONF = Path("conf/train.yaml")
"""Whose settings are told where none are named, in a recipe's folder."""
VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMBA_CACHE_DIR", "CUDA_VISIBLE_DEVICES", "LANG", "LC_ALL")
"""Of the environment, told where they are set."""


def run(arguments: Sequence[str]) -> int:
    """Print the report; settings that cannot be read are a part of it.

    Args:
        arguments: ``--report`` and, if they matter, a recipe's ``--conf`` and further settings.
    """
    set_threads(None)
    print(report([word for word in arguments if word != "--report"]))
    return 0


def report(arguments: Sequence[str]) -> str:
    """The report. The name of the home folder, and so of the user, is left out."""
    given = list(arguments)
    if not any(word.partition("=")[0] == "--conf" for word in given) and CONF.is_file():
        given = ["--conf", str(CONF), *given]
    try:
        context, settings = parse("doctor", "", given), ""
        settings = "\n".join(_stated(dataclasses.asdict(context.config), dataclasses.asdict(Config())))
    except JointstError as error:
        context, settings = Context(config=Config(), name="default"), f"cannot be read: {error}"
    made = versions()
    packages = made["packages"].items()
    facts = {
        "jointst": f"{_version()}, {_commit(made)}",
        "python": f"{made['python']}, {made['platform']}",
        "hardware": hardware(context.ngpu),
        "variables": ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ) or "none",
        "settings": " ".join(given) or "none stated",
    }
    rows = ["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items())]
    parts = [
        "\n".join(rows),
        _folded("Checks", "\n".join(str(finding) for check in CHECKS for finding in check(context))),
        _folded("Packages", "\n".join(f"{name} {version or 'not installed'}" for name, version in packages)),
        _folded("Settings other than the defaults", settings or "none"),
    ]
    home = str(Path.home())
    text = "\n\n".join(parts)
    return text.replace(home, "~") if len(home) > 1 else text


def _version() -> str:
    try:
        return importlib.metadata.version("jointst")
    except importlib.metadata.PackageNotFoundError:
        return "not installed, run from its sources"


def _commit(made: dict[str, Any]) -> str:
    if made["git_commit"] is None:
        return "no checkout"
    return f"commit {made['git_commit'][:12]}" + (", with changes" if made["git_dirty"] else "")


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n```text\n{content}\n```\n\n</details>"


def _stated(values: dict[str, Any], usual: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The settings that differ, a line each."""
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(usual.get(key), dict):
            yield from _stated(value, usual[key], f"{prefix}{key}.")
        elif value != usual.get(key):
            yield f"{prefix}{key}: {list(value) if isinstance(value, tuple) else value}"

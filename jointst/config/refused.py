"""What is said of a setting that is refused: in plain words what it may be, and the file and line that state it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from jointst.common.errors import ConfigError, JointstError

_KEY = re.compile(r'Parser key "([\w.]+)":')
_WANTED = re.compile(r"Expected an? (?:<class '(\w+)'>|typing\.Literal\[(.*?)\])")
_VALUE = re.compile(r"(?:Got|Given) value: (.*)")
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "NoneType": "null"}


def in_words(error: argparse.ArgumentError, command: str) -> JointstError:
    """What jsonargparse says of a value, without the names of Python's types; what else it says, on one line.

    Args:
        error: of a setting or an option.
        command: whose settings they are.
    """
    said = str(error)
    key, wanted, value = _KEY.search(said), _WANTED.findall(said), _VALUE.search(said)
    if not key or not wanted or not value:
        return JointstError(f"settings: {' '.join(said.split())} (jointst {command} --print_config shows all settings)")
    kinds = []
    for kind, literals in wanted:
        if kind == "tuple":
            kinds.append("a list" if value[1].startswith(("{", "[")) else f"a list: [{value[1]}]")
        elif kind in _KINDS:
            kinds.append(_KINDS[kind])
        else:
            names = re.findall(r"'([^']*)'", literals) or [kind or literals]
            kinds.append(names[0] if len(names) == 1 else f"one of {' '.join(names)}")
    return ConfigError(key[1], f"is {value[1]!r}", " or ".join(dict.fromkeys(kinds)))


def placed(error: ConfigError, files: Sequence[Path], arguments: Iterable[str]) -> ConfigError:
    """The same error with the file and line that state its setting, where that is a file.

    Args:
        error: of a setting.
        files: of settings, a later one winning.
        arguments: the command line, which wins over all of them.
    """
    key = error.key.partition(":")[0]
    stated = [word[2:].partition("=")[0] for word in arguments if word.startswith("--")]
    if any(key == option or key.startswith(f"{option}.") for option in stated):
        return error
    for path in reversed(files):
        line = _line(path, key)
        if line:
            return ConfigError(f"{path}:{line}: {error.key}", error.problem, error.fix)
    return error


def _line(path: Path, key: str) -> int:
    """The line of a settings file that states a setting; 0 where none does."""
    node, line = yaml.compose(path.read_bytes().decode("utf-8"), Loader=yaml.SafeLoader), 0
    for part in key.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        line, node = next(
            ((name.start_mark.line + 1, value) for name, value in pairs if name.value == part),
            (0, None),
        )
        if not line:
            break
    return line

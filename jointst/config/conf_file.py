"""A settings file as it was written: syntax, unknown and repeated keys, each fault with its line."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from pathlib import Path
from typing import Any

import yaml

from jointst.common.encodings import how_to_convert
from jointst.common.errors import DataError


def check_conf(path: Path, settings: type[Any]) -> bool:
    """Check the keys of a YAML file against a dataclass; values are checked when they are put into it.

    Args:
        path: the file.
        settings: dataclass whose fields, and theirs, are the keys.

    Returns:
        Whether the file states anything; one of comments alone does not.

    Raises:
        DataError: missing, not UTF-8, not YAML, or a key that is unknown, repeated or has nothing under it.
    """
    if not path.is_file():
        raise DataError("there is no such settings file", path=path, fix="correct --conf")
    try:
        root = yaml.compose(path.read_bytes().decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 at byte {error.start}", path=path, fix=how_to_convert(path)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        line = None if mark is None else mark.line + 1
        raise DataError(f"is not YAML: {problem}", path=path, line=line, fix="look there and above") from None
    except yaml.YAMLError as error:
        raise DataError(f"is not YAML: {error}", path=path, fix="write it again") from None
    except RecursionError:
        raise DataError("is not YAML: brackets within brackets without end", path=path, fix="write it again") from None
    if root is None or root.tag == "tag:yaml.org,2002:null":  # no document, or one that holds comments alone
        return False
    _check_keys(root, settings, "", path)
    return True


def _check_keys(node: yaml.Node, settings: type[Any], prefix: str, path: Path) -> None:
    """Check the mapping of ``settings``, which stands under the key ``prefix``."""
    if not isinstance(node, yaml.MappingNode):
        where, inside = node.start_mark.line + 1, f"{prefix}.<setting>" if prefix else "<section>.<setting>"
        problem = f"{prefix or 'the file'} holds no settings but {_shown(node)}"
        raise DataError(problem, path=path, line=where, fix=f"name them: {inside}; or remove it")
    types = typing.get_type_hints(settings)
    known = {field.name: types[field.name] for field in dataclasses.fields(settings)}
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = f"{prefix}.{key.value}" if prefix else str(key.value)
        if key.value not in known:
            close = difflib.get_close_matches(str(key.value), known, n=1)
            fix = f"did you mean {close[0]}?" if close else f"known here: {' '.join(known)}"
            raise DataError(f"{name}: there is no such setting", path=path, line=line, fix=fix)
        if key.value in seen:
            raise DataError(f"{name}: stands on line {seen[key.value]} already", path=path, line=line, fix="keep one")
        seen[key.value] = line
        if dataclasses.is_dataclass(known[key.value]):
            _check_keys(value, typing.cast("type[Any]", known[key.value]), name, path)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value) if node.value else "nothing"
    return "a list"

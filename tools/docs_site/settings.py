"""Every setting, its default and its sentence, from the dataclasses of ``jointst.config``."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import docstring_parser

from docs_site.markdown import code, plain, table
from jointst.config import PRESETS, Config


def sentences(settings: type[Any]) -> dict[str, str]:
    """The sentence below each field of a dataclass, its base classes' too."""
    found: dict[str, str] = {}
    for base in reversed(settings.__mro__):
        if dataclasses.is_dataclass(base):
            parsed = docstring_parser.parse_from_object(base)
            found |= {parameter.arg_name: parameter.description or "" for parameter in parsed.params}
    return found


def _shown(value: Any) -> str:
    """A default as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_shown, value))}]"
    return "null" if value is None else str(value)


def _choices(kind: Any) -> list[str]:
    """The values that a setting of words may have."""
    if typing.get_origin(kind) is typing.Literal:
        return [str(value) for value in typing.get_args(kind)]
    return [choice for part in typing.get_args(kind) for choice in _choices(part)]


def _sections(settings: type[Any], default: Any, prefix: str) -> Iterator[tuple[str, type[Any], list[list[str]]]]:
    """Each dataclass below ``prefix`` with the rows of its own settings, the outer one first."""
    types, said = typing.get_type_hints(settings), sentences(settings)
    rows: list[list[str]] = []
    inner: list[tuple[str, type[Any], Any]] = []
    for field in dataclasses.fields(settings):
        name, value = f"{prefix}.{field.name}", getattr(default, field.name)
        if not said.get(field.name):
            raise SystemExit(f"{settings.__name__}.{field.name}: there is no sentence below it")
        if dataclasses.is_dataclass(types[field.name]):
            inner.append((name, typing.cast("type[Any]", types[field.name]), value))
            continue
        choices = _choices(types[field.name])
        known = f" One of {', '.join(map(code, choices))}." if choices else ""
        rows.append([code(name), code(_shown(value)), plain(said[field.name]) + known])
    yield prefix, settings, rows
    for name, part, value in inner:
        yield from _sections(part, value, name)


def page() -> str:
    """All settings, section by section."""
    lines: list[str] = []
    config, used = Config(), sentences(Config)
    for field in dataclasses.fields(Config):
        section = getattr(config, field.name)
        for prefix, settings, rows in _sections(type(section), section, field.name):
            outer = prefix == field.name
            lines.append(f"{'##' if outer else '###'} {prefix}\n")
            about = plain((settings.__doc__ or "").strip())
            lines.append(f"{plain(used[field.name])} {about}\n" if outer else f"{about}\n")
            if rows:
                lines.append(table(["setting", "default", "what it is"], rows))
    lines.append("## Sizes\n\n`model.size` fills other fields; a field that is stated as well wins over it.\n")
    rows = [[code(name), plain(_flat(preset))] for name, preset in PRESETS.items()]
    lines.append(table(["model.size", "differs from the defaults in"], rows))
    return "\n".join(lines)


def _flat(preset: dict[str, Any], prefix: str = "") -> str:
    parts = [
        _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else f"`{prefix}{key}` {_shown(value)}"
        for key, value in preset.items()
    ]
    return ", ".join(parts)

"""What ``--help`` of a stage prints: its options, and of the settings what is asked for."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import textwrap
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from jointst.common.errors import JointstError
from jointst.config import Config

FLAGS = ("-h", "--help")
EVERYTHING = "all"
"""``--help all`` lists every setting."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting, for people.

    Attributes:
        name: its dotted path.
        default: as YAML has it.
        sentence: what it is.
        choices: the words that it may be; empty where it is not one of a few.
    """

    name: str
    default: str
    sentence: str
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Settings that belong together, without those of the sections inside.

    Attributes:
        name: its dotted path.
        about: what it is for.
        settings: its own.
    """

    name: str
    about: str
    settings: tuple[Setting, ...]


def sentences(settings: type[Any]) -> dict[str, str]:
    """The sentence below each field of a dataclass, its base classes' too."""
    import docstring_parser  # it reads the source, which only those who ask for help wait for

    found: dict[str, str] = {}
    for base in reversed(settings.__mro__):
        if dataclasses.is_dataclass(base):
            parsed = docstring_parser.parse_from_object(base)
            found |= {parameter.arg_name: parameter.description or "" for parameter in parsed.params}
    return found


def shown(value: Any) -> str:
    """A value as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(shown, value))}]"
    return "null" if value is None else str(value)


def _choices(kind: Any) -> tuple[str, ...]:
    if typing.get_origin(kind) is typing.Literal:
        return tuple(str(value) for value in typing.get_args(kind))
    return tuple(choice for part in typing.get_args(kind) for choice in _choices(part))


def _below(settings: type[Any], default: Any, prefix: str, said: str) -> Iterator[Section]:
    types, own, inner = typing.get_type_hints(settings), [], []
    sentence = sentences(settings)
    for field in dataclasses.fields(settings):
        name, value, kind = f"{prefix}.{field.name}", getattr(default, field.name), types[field.name]
        if not sentence.get(field.name):
            raise AssertionError(f"{settings.__name__}.{field.name}: there is no sentence below it")
        if dataclasses.is_dataclass(kind):
            inner.append((typing.cast("type[Any]", kind), value, name))
        else:
            words = _choices(kind)
            own.append(Setting(name=name, default=shown(value), sentence=sentence[field.name], choices=words))
    yield Section(name=prefix, about=f"{said} {(settings.__doc__ or '').strip()}".strip(), settings=tuple(own))
    for kind, value, name in inner:
        yield from _below(kind, value, name, "")


def sections() -> list[Section]:
    """All settings, section by section, an outer one before those inside."""
    config, used = Config(), sentences(Config)
    names = [field.name for field in dataclasses.fields(Config)]
    return [
        section
        for name in names
        for section in _below(type(getattr(config, name)), getattr(config, name), name, used[name])
    ]


def asked(arguments: list[str]) -> str | None:
    """What help is asked for: sections, settings, :data:`EVERYTHING`, "" of the command; None where none is."""
    for i, word in enumerate(arguments):
        flag, _, what = word.partition("=")
        if flag in FLAGS:
            named = takewhile(lambda word: not word.startswith("-") or "." in word, arguments[i + 1 :])
            return what or " ".join(named)
    return None


def help_of(command: str, description: str, what: str, add_options: Callable[[argparse.ArgumentParser], None]) -> str:
    """The help of a stage, or of settings.

    Args:
        command: its name.
        description: what it does.
        what: as of :func:`asked`.
        add_options: adds the options that are no settings.

    Raises:
        JointstError: there is no such section or setting.
    """
    width = max(60, min(120, shutil.get_terminal_size().columns))
    return _settings(command, what, width) if what else _command(command, description, add_options, width)


def _command(command: str, description: str, add_options: Callable[[argparse.ArgumentParser], None], width: int) -> str:
    parser = argparse.ArgumentParser(
        prog=f"jointst {command}",
        usage=f"jointst {command} [option ...] [--SECTION.KEY VALUE ...]",
        description=description,
        add_help=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=26, width=width),
    )
    add_options(parser)
    parser.add_argument("--print_config", action="store_true", help="print all settings with their values, and end")
    parser.add_argument(
        "-h", "--help", metavar="SECTION", help=f"this, or the settings of a section, or of {EVERYTHING}"
    )
    outer = [section for section in sections() if "." not in section.name]
    lines = ["settings, each --SECTION.KEY VALUE; to read of one section's: --help SECTION", ""]
    lines += _columns([(section.name, section.about.partition(". ")[0].rstrip(".")) for section in outer], 24, width)
    return parser.format_help() + "\n" + "\n".join(lines) + "\n"


def _settings(command: str, what: str, width: int) -> str:
    known = sections()
    lines = ["Defaults stand in brackets; with the values of --conf: --print_config"]
    for name in (word.removeprefix("--").rstrip(".") for word in what.split()):
        before = len(lines)
        for section in known:
            inside = name == EVERYTHING or section.name == name or section.name.startswith(f"{name}.")
            own = [setting for setting in section.settings if inside or setting.name == name]
            if own:
                lines += ["", *textwrap.wrap(f"{section.name}: {section.about}", width), ""]
                lines += _columns([(f"--{setting.name}", _told(setting)) for setting in own], 40, width)
        if len(lines) == before:
            outer = ", ".join(section.name for section in known if "." not in section.name)
            fix = f"jointst {command} --help SECTION: {outer}, or {EVERYTHING}"
            raise JointstError(f"--help: there are no settings {name!r} ({fix})")
    return "\n".join(lines) + "\n"


def _told(setting: Setting) -> str:
    of = f", of {', '.join(setting.choices)}" if setting.choices else ""
    return f"{setting.sentence} ({setting.default}{of})"


def _columns(rows: list[tuple[str, str]], place: int, width: int) -> list[str]:
    """Names on the left, sentences wrapped on the right."""
    lines: list[str] = []
    for name, sentence in rows:
        wrapped = textwrap.wrap(" ".join(sentence.replace("``", "").split()), width - place) or [""]
        head = f"  {name}"
        if len(head) >= place:
            lines.append(head)
            head = ""
        lines += [f"{head if i == 0 else '':<{place}}{part}" for i, part in enumerate(wrapped)]
    return lines

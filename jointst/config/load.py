"""Reading settings: YAML and command line to :class:`jointst.config.Config`, by jsonargparse."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import threading
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, set_parsing_settings

from jointst.common.errors import ConfigError, JointstError
from jointst.common.place import find_place
from jointst.config import PRESETS, Config, ModelConfig
from jointst.config.conf_file import check_conf
from jointst.config.context import Context
from jointst.config.help import asked, help_of
from jointst.config.refused import in_words, placed

_ONE_AT_A_TIME = threading.Lock()
"""Held while a parser works, for models may be loaded in several threads: its defaults change."""


@functools.cache
def _parser(command: str, description: str, explained: bool, spreads: bool) -> ArgumentParser:
    """The parser of a command: making it takes longer than parsing does.

    Args:
        command: its name.
        description: what it does.
        explained: whether to read in the source what each setting means, which takes a third of the time.
        spreads: whether the command may run in several processes.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=explained)
    parser = ArgumentParser(prog=f"jointst {command}", description=description, exit_on_error=False)
    parser.add_argument("--conf", action="config")
    _add_options(parser, spreads)
    parser.add_class_arguments(Config, None)
    return parser


def _add_options(parser: argparse.ArgumentParser, spreads: bool) -> None:
    """What a stage is told beside its settings."""
    parser.add_argument("--name", help="the experiment, a folder in exp (the name of the last --conf)")
    parser.add_argument("--nj", type=int, default=2, help="processes for long work")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs to train and decode on, and for a frozen encoder")
    parser.add_argument("--force", action="store_true", help="run even when everything is up to date")
    if spreads:
        parser.add_argument("--nproc", type=int, default=1, help="processes of each node that train on the CPU")
        parser.add_argument("--nodes", type=int, help="nodes that train (as many as torchrun or srun has)")
        parser.add_argument("--launcher", choices=("local", "slurm"), default="local", help="here, or a job of Slurm")
        parser.add_argument("--slurm", nargs="+", metavar="KEY=VALUE", help="submitit's: timeout_min=600 ...")


def _help(command: str, description: str, what: str, spreads: bool) -> str:
    def add_options(parser: argparse.ArgumentParser) -> None:
        conf = "YAML file; it states only what differs from the defaults; of several, a later one wins"
        parser.add_argument("--conf", metavar="FILE", help=conf)
        _add_options(parser, spreads)

    return help_of(command, description, what, add_options)


def _flatten(nested: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}.{key}"
        flat.update(_flatten(value, name) if isinstance(value, dict) else {name: value})
    return flat


def _build(cls: type[Any], values: Mapping[str, Any], prefix: str) -> Any:
    """A dataclass from nested mappings; a :class:`ConfigError` carries the full path of its key."""
    types = typing.get_type_hints(cls)
    arguments = {}
    for field in dataclasses.fields(cls):
        value = values[field.name]
        path = f"{prefix}.{field.name}" if prefix else field.name
        if dataclasses.is_dataclass(types[field.name]):
            value = _build(types[field.name], value, path)
        elif value is None and type(None) not in typing.get_args(types[field.name]):  # as of a line that ends in :
            raise ConfigError(path, "has no value", "write one, or remove the line for the default")
        arguments[field.name] = tuple(value) if isinstance(value, list) else value
    try:
        return cls(**arguments)
    except ConfigError as error:
        raise (error.under(prefix) if prefix else error) from None


def _lay_under(parser: ArgumentParser, size: str) -> None:
    """Make the preset of a ``model.size`` the defaults, and forget that of another."""
    plain = _flatten(dataclasses.asdict(ModelConfig()), "model")
    stated = {key for preset in PRESETS.values() for key in _flatten(preset, "model")}
    parser.set_defaults({key: plain[key] for key in stated} | _flatten(PRESETS[size], "model"))


def _values(command: str, description: str, arguments: list[str], spreads: bool) -> dict[str, Any]:
    """What is stated, and below it the preset of the ``model.size`` that is stated."""
    usual = ModelConfig.size
    shown = [word for word in arguments if not word.startswith("--print_config")]
    with _ONE_AT_A_TIME:
        explained = any(word.startswith("--print_config") for word in arguments)
        parser = _parser(command, description, explained, spreads)
        _lay_under(parser, usual)
        namespace = parser.parse_args(shown)
        if namespace.model.size != usual or shown != arguments:
            _lay_under(parser, namespace.model.size)
            namespace = parser.parse_args(arguments)
    return namespace.as_dict()


def _conf_files(arguments: list[str]) -> tuple[list[Path], list[str]]:
    """The files of ``--conf``, checked, and the arguments without those that state nothing.

    Raises:
        DataError: a file is missing or faulty, with the line.
    """
    files: list[Path] = []
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--conf" or word.startswith("--conf="):
            name = next(words, None) if word == "--conf" else word.partition("=")[2]
            if not name:
                raise ConfigError("--conf", "has no value", "name a YAML file")
            files.append(Path(name))
            if check_conf(files[-1], Config):
                kept.append(f"--conf={name}")
        else:
            kept.append(word)
    return files, kept


def _experiment(stated: str | None, files: list[Path]) -> str:
    if stated is None:
        return files[-1].stem if files else "default"
    parts = Path(stated).parts
    if not parts or Path(stated).is_absolute() or ".." in parts:
        raise ConfigError("--name", f"is {stated!r}", "a folder inside exp, as in best_seed0")
    return stated


def parse(command: str, description: str, arguments: list[str], *, spreads: bool = False) -> Context:
    """The context of a stage from its command line.

    Args:
        command: its name.
        description: what it does.
        arguments: of the command line.
        spreads: whether it may run in several processes, with the options for that.

    Raises:
        ConfigError: a value that cannot work, with the key's path, and file and line where a file states it.
        DataError: a file that is missing or no YAML, or an unknown key in it.
        JointstError: a command line that cannot be read.
        SystemExit: help was asked for and is printed.
    """
    what = asked(arguments)
    if what is not None:
        print(_help(command, description, what, spreads))
        raise SystemExit(0)
    arguments = ["--print_config=comments" if word == "--print_config" else word for word in arguments]
    files, arguments = _conf_files(arguments)
    try:
        values = _values(command, description, arguments, spreads)
    except argparse.ArgumentError as error:
        refused = in_words(error, command)
        raise (placed(refused, files, arguments) if isinstance(refused, ConfigError) else refused) from None
    stated = {key: values.get(key) for key in ("nproc", "nodes", "launcher", "slurm")}
    spread: dict[str, Any] = {key: value for key, value in stated.items() if value is not None}
    for key, lowest in (("nj", 1), ("ngpu", 0), ("nproc", 1), ("nodes", 1)):
        if values.get(key) is not None and values[key] < lowest:
            raise ConfigError(f"--{key}", f"is {values[key]}", f"at least {lowest}")
    name = _experiment(values["name"], files)
    try:
        config: Config = _build(Config, values, "")
    except ConfigError as error:
        raise placed(error, files, arguments) from None
    _check_processes(spread, values["ngpu"])
    spread["slurm"] = dict(map(setting, spread.get("slurm", ())))
    return Context(config=config, name=name, nj=values["nj"], ngpu=values["ngpu"], force=values["force"], **spread)


def setting(text: str) -> tuple[str, Any]:
    """A parameter of a Slurm job, its value read as YAML.

    Raises:
        JointstError: it is not KEY=VALUE.
    """
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise JointstError(f"--slurm: {text!r} is not KEY=VALUE")
    return key, yaml.safe_load(value)


def _check_processes(spread: Mapping[str, Any], ngpu: int) -> None:
    """Numbers of processes and nodes go together.

    Raises:
        ConfigError: they do not.
    """
    nproc, local = spread.get("nproc", 1), spread.get("launcher", "local") == "local"
    if ngpu > 0 and nproc not in (1, ngpu):
        raise ConfigError("--nproc", f"is {nproc} beside --ngpu {ngpu}", "leave it out: each GPU has one")
    if local and spread.get("slurm"):
        raise ConfigError("--slurm", "is for a job", "--launcher slurm")
    if local and spread.get("nodes", 1) > 1 and find_place() is None:
        problem = f"is {spread['nodes']}, and no other node was started"
        raise ConfigError("--nodes", problem, "use torchrun, srun, or --launcher slurm")


def to_yaml(config: Config) -> str:
    """All settings as YAML that :func:`parse` reads back to the same :class:`Config`."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value

    return yaml.safe_dump(plain(dataclasses.asdict(config)), sort_keys=False, allow_unicode=True)


def from_yaml(path: Path) -> Config:
    """The settings stored with a run.

    Raises:
        JointstError: the file is missing, damaged, or of another version of the toolkit.
    """
    return parse("config", "", ["--conf", str(path)]).config

"""What a training depends on: its fingerprint, by which it goes on or begins anew, and what has changed since."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jointst.common.errors import DataError, JointstError
from jointst.common.files import write_atomically
from jointst.config import Config
from jointst.config.context import Context
from jointst.config.load import from_yaml
from jointst.config.stated import settings_of
from jointst.data.digests import file_digest, is_large
from jointst.kaldi.durations import FIX
from jointst.models.build import PHONES, TOKENIZER

MAY_CHANGE = ("max_updates", "max_time", "validate_every", "keep_best", "keep_all", "workers", "on_collapse", "compile")
"""Training settings that a continued run may change; any other change starts anew."""
NOT_TRAINED_ON = ("root", "test", "max_tokens_per_second")
"""Data settings that training does not depend on: a new test set must not cost a new training."""
INPUTS = "inputs.json"
"""Beside the checkpoints: the files that the training reads, with their checksums."""
SHOWN = 3
"""So many changes are named."""
_NONE = object()


def fingerprint(context: Context, start: Mapping[str, str] | None = None) -> str:
    """A hash of everything that training depends on: settings, symbol tables, statistics, transcripts.

    Args:
        context: of the experiment.
        start: checksums of the model that it starts from, wherever that lies; None for fresh weights.

    Raises:
        DataError: a file is missing.
    """
    sections = _sections(context.config)
    if start is not None:
        sections["training"]["start_from"] = dict(start)
    digest = hashlib.sha256(json.dumps(sections, sort_keys=True).encode())
    for path, fix in read_files(context).items():
        if not path.is_file():
            raise DataError("is missing", path=path, fix=fix)
        digest.update(file_digest(path).encode() if is_large(path) else path.read_bytes())
    return digest.hexdigest()


def _sections(config: Config) -> dict[str, dict[str, Any]]:
    """The settings that a training depends on."""
    sections = settings_of(config, ("data", "features", "model", "loss", "training"))
    for section, keys in (("training", MAY_CHANGE), ("data", NOT_TRAINED_ON), ("features", ("max_failures",))):
        for key in keys:
            del sections[section][key]
    for key in ("pseudo", "text_only_languages"):
        if not getattr(config.data, key):
            del sections["data"][key]  # trainings from before there was the setting go on
    if config.model.ctc_target == "labels":
        del sections["model"]["ctc_target"]  # what it was before there was the setting
    if config.durations_folder is None:
        del sections["model"]["text_encoder"]["durations"]
    if not config.training.dynamic_chunks:
        del sections["training"]["dynamic_chunks"]  # trainings from before there was the setting go on
    sections["model"]["decoder"]["lattice_bytes"] = 64 * 2**20  # its first default: it changes time and memory alone
    if not config.model.decoder.band:
        del sections["model"]["decoder"]["band"]  # likewise as before there was one, and what belongs to it
        del sections["loss"]["additive"], sections["loss"]["exact_updates"]
    sections["text_input"] = {"kind": config.tokenizer.text_input}
    return sections


def read_files(context: Context) -> dict[Path, str]:
    """The files that training depends on beside features, and what to do where one is missing."""
    config = context.config
    sets = [context.data / name for name in (*config.data.train, *config.data.pseudo, *config.data.unpaired)]
    files = {path / "text": "run stage 1, corpus" for path in sets}
    files |= {path / "phones": "run stage 3, lexicon" for path in sets}
    files[context.data / PHONES] = "run stage 3, lexicon"
    if config.durations_folder is not None:
        files |= {config.durations_folder / path.name: FIX for path in sets}
    if config.features.cmvn == "global":
        files[context.data / "cmvn.npz"] = "run stage 4, features"
    files[context.data / TOKENIZER] = "run stage 5, tokenizer"
    return files


def keep_inputs(context: Context) -> None:
    """Remember the files that a training reads, so that :func:`what_changed` can name those that have changed."""
    write_atomically(context.exp / INPUTS, json.dumps(_inputs(context), indent=1) + "\n")


def what_changed(context: Context) -> str:
    """What is not as it was when the training in the experiment's folder began, for people.

    Settings are named with their values, files by their paths; empty where neither can be told, as of a training from
    before its files were remembered.
    """
    changes = [*_changed_settings(context), *_changed_files(context)]
    more = f", and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return ", ".join(changes[:SHOWN]) + more


def _changed_settings(context: Context) -> Iterator[str]:
    """Settings on which the training depends and whose own values differ, the size, from which others follow, first."""
    try:
        earlier = from_yaml(context.exp / "config.yaml")
        before, now = (_leaves(_sections(config)) for config in (earlier, context.config))
    except (JointstError, OSError):
        return  # of another version, or damaged: nothing can be said of it
    old, new = (_leaves(dataclasses.asdict(config)) for config in (earlier, context.config))
    counted = {key for key in before.keys() | now.keys() if before.get(key, _NONE) != now.get(key, _NONE)}
    if "text_input.kind" in counted:
        counted.add("tokenizer.text_input")
    for key in sorted(counted, key=lambda key: (key != "model.size", key)):
        if old.get(key, _NONE) != new.get(key, _NONE):
            yield f"{key} was {_shown(old.get(key))} and is {_shown(new.get(key))}"


def _changed_files(context: Context) -> Iterator[str]:
    try:
        before, now = json.loads((context.exp / INPUTS).read_text(encoding="utf-8")), _inputs(context)
        for name in sorted(before.keys() & now.keys()):
            if before[name] != now[name]:
                yield f"{context.data / name} has changed"
    except (OSError, ValueError, AttributeError):
        return


def _inputs(context: Context) -> dict[str, str]:
    """Checksums of the files that are read, by their places in the folder of data directories where they lie there."""
    return {
        str(path.relative_to(context.data) if path.is_relative_to(context.data) else path): file_digest(path)
        for path in read_files(context)
    }


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted paths."""
    leaves: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            leaves |= _leaves(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)

"""How a training begins: from fresh weights, from a trained model, or from its own checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.config import Config
from jointst.config.context import Context
from jointst.data.symbols import Symbols
from jointst.models.joint import JointModel
from jointst.training.checkpoints import is_readable
from jointst.training.start_model import checksum, read_start
from jointst.training.take_over import TakeOver, take_over

RECORD = "started_from.json"
"""What an experiment keeps of the model that it started from."""


def recorded(context: Context) -> dict[str, str] | None:
    """Checksums of the start of the training in this experiment's folder, if it can go on from a checkpoint of its own.

    The start itself is no longer needed then: it may have changed, or be gone.
    """
    path = context.exp / RECORD
    if context.force or not path.is_file():
        return None
    checkpoints = [context.exp / "checkpoints" / name for name in ("last.ckpt", "previous.ckpt")]
    if not any(kept.exists() and is_readable(kept) for kept in checkpoints):
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = record["folder"] == str(Path(context.config.training.start_from or ""))
        return {key: str(record["sha256"][key]) for key in ("weights", "symbols")} if same else None
    except (ValueError, LookupError, TypeError):
        return None  # damaged: the start is looked at again


def changed_since(folder: Path, sha256: dict[str, str]) -> str:
    """A sentence about a start that is not what it was, empty where it is."""
    now = checksum(folder)
    if now == sha256["weights"]:
        return ""
    what = "is gone" if now is None else "has changed"
    return f"{folder} {what} since this training started from it; it goes on from its own checkpoint all the same"


def find_start(context: Context, symbols: Symbols) -> TakeOver:
    """What a training that begins takes from ``training.start_from``; nothing is written.

    Raises:
        ConfigError, DataError: it cannot be taken; see :func:`jointst.training.start_model.read_start` and
            :func:`jointst.training.take_over.take_over`.
    """
    config: Config = context.config
    assert config.training.start_from is not None
    folder = Path(config.training.start_from)
    own, there = context.exp.resolve(), folder.resolve()
    if there == own or own in there.parents:
        raise DataError(
            "is this very experiment, which would be set aside",
            path=folder,
            fix="give the new training a name of its own: --name finetuned, or another --conf",
        )
    return take_over(read_start(folder), config, symbols)


def begin(folder: Path, model: JointModel, taken: TakeOver | None, config: Config, *, says: bool) -> None:
    """Give a model with fresh weights what it starts from, and keep and print what that is.

    Args:
        folder: of the experiment.
        model: with fresh weights and the statistics of its data.
        taken: what it takes, if anything.
        config: all settings.
        says: whether this process writes and prints.

    Raises:
        DataError: the experiment's checkpoint, by which no start was looked for, is gone by now.
    """
    if taken is None:
        if config.training.start_from is not None:
            raise DataError("the checkpoint to go on from is gone", path=folder, fix="run it again, to begin anew")
        if says:
            (folder / RECORD).unlink(missing_ok=True)  # of a training that broke off before its first checkpoint
        return
    taken.give(model)
    if says:
        write_atomically(folder / RECORD, json.dumps(taken.record(), indent=1, ensure_ascii=False) + "\n")
        print("\n".join([taken.table(), *taken.warnings(config)]), flush=True)

"""What a stage is: one command of a recipe, safe to run again, skipped when its outputs are up to date."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jointst.common.files import write_atomically
from jointst.common.lock import Claim
from jointst.common.processes import remove_remains
from jointst.config import TrainingConfig
from jointst.config.context import Context, Made, writes_data, writes_experiment
from jointst.config.stated import settings_of

_NO_EFFECT: dict[str, Any] = {"on_collapse": TrainingConfig.on_collapse, "workers": 0}
"""Settings of training that change nothing of what a stage makes once it is finished, with their first defaults."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        number: its place in a recipe; -1 for a command that no recipe needs.
        name: its command, ``jointst <name>``.
        help: one sentence.
        function: ``module:function`` taking a :class:`Context` and returning :class:`Made`; imported when run.
        sections: the configuration sections it depends on; a change in one makes it run again.
        inputs: files it reads; a newer one makes it run again.
        outputs: files it makes; a missing one makes it run again.
        per_experiment: whether it belongs to an experiment or to the data shared by a recipe's experiments.
        always: whether it runs every time (cheap checks).
        alone: ``module:function`` taking arguments that name folders instead of settings, where there is such a way.
        instead: options by which ``module:function`` runs in its place, with all arguments.
        claims: the folders that must be locked while it runs; by default those of its kind.
        follow: ``module:function`` that its other processes run, where it may run in several, beside the first.
    """

    number: int
    name: str
    help: str
    function: str
    sections: tuple[str, ...] = ()
    inputs: Callable[[Context], list[Path]] = lambda context: []
    outputs: Callable[[Context], list[Path]] = lambda context: []
    per_experiment: bool = False
    always: bool = False
    alone: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)
    claims: Callable[[Context], list[Claim]] | None = None
    follow: str = ""

    def locks(self, context: Context) -> list[Claim]:
        """The folders that it works in or reads."""
        if self.claims is not None:
            return self.claims(context)
        return writes_experiment(context) if self.per_experiment else writes_data(context)

    @property
    def title(self) -> str:
        """What its lines of output begin with."""
        return self.name if self.number < 0 else f"stage {self.number} {self.name}"

    def stamp(self, context: Context) -> Path:
        """The file that says the stage was finished, and with which settings."""
        folder = context.exp if self.per_experiment else context.data
        place = "" if self.number < 0 else f"{self.number:02d}_"
        return folder / ".stages" / f"{place}{self.name}.json"

    def digest(self, context: Context) -> str:
        """A hash of the settings this stage depends on, without those that change nothing of what it makes."""
        config = dataclasses.replace(
            context.config, training=dataclasses.replace(context.config.training, **_NO_EFFECT)
        )
        if not self.per_experiment:  # what is shared is made of all speech, whatever part an experiment hears
            config = dataclasses.replace(config, data=dataclasses.replace(config.data, paired_minutes=0.0))
        settings = settings_of(config, self.sections)
        return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()

    def reason_to_run(self, context: Context) -> str:
        """Why the stage must run, or an empty string when all it makes is up to date."""
        if context.force:
            return "forced"
        if self.always:
            return "runs every time"
        stamp = self.stamp(context)
        if not stamp.is_file():
            return "not finished before"
        try:
            finished = json.loads(stamp.read_text())
        except ValueError:
            return f"{stamp} is damaged"
        if finished["settings"] != self.digest(context):
            return f"settings changed ({', '.join(self.sections)})"
        for path in self.outputs(context):
            if not path.exists():
                return f"{path} is missing"
        for path in self.inputs(context):
            if not path.exists():
                return f"{path} is missing"
            if path.stat().st_mtime_ns > stamp.stat().st_mtime_ns:
                return f"{path} is newer"
        return ""

    def run_beside(self, context: Context) -> None:
        """Do the part of a process that is not the first."""
        module, function = self.follow.split(":")
        getattr(importlib.import_module(module), function)(context)

    def run(self, context: Context) -> Made:
        """Do the work and write the stamp, unless it runs every time: nobody asks then when it did."""
        if self.always:
            return self._run(context)
        started = time.time()
        stamp = self.stamp(context)
        stamp.unlink(missing_ok=True)
        # When the work began, by the clock of the file system, which may be another machine's.
        write_atomically(stamp, "")
        begun = stamp.stat().st_mtime_ns
        stamp.unlink()
        made = self._run(context)
        record = {"settings": self.digest(context), "made": made.what, "seconds": round(time.time() - started, 2)}
        write_atomically(stamp, json.dumps(record, indent=1) + "\n")
        os.utime(stamp, ns=(begun, begun))  # an input that was changed amid the work is newer
        return made

    def _run(self, context: Context) -> Made:
        """Do the work, and leave no half-made files."""
        module, function = self.function.split(":")
        folders = (context.exp,) if self.per_experiment else (context.data, context.dump)
        try:
            for folder in folders:
                remove_remains(folder)
            made: Made = getattr(importlib.import_module(module), function)(context)
        except BaseException:
            for folder in folders:  # of workers that were ended amid their work
                remove_remains(folder)
            raise
        return made


def present(paths: Iterator[Path] | list[Path]) -> list[Path]:
    """Those of ``paths`` that exist."""
    return [path for path in paths if path.exists()]

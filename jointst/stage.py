"""What a stage is: one command of a recipe, safe to run again, skipped when its outputs are up to date."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from jointst.config import Config, TrainingConfig
from jointst.lock import Claim
from jointst.processes import remove_remains
from jointst.processes import temporary as temporary_of


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a stage may know.

    Attributes:
        config: all settings.
        name: name of the experiment, the stem of its configuration file.
        nj: processes for long work.
        ngpu: GPUs to train and decode on; 0 for the CPU.
        force: run even when everything is up to date, and from the start.
        nproc: processes of each node that train on the CPU.
        nodes: that train; None for as many as the launcher has.
        launcher: where training runs: here, or as a job of Slurm.
        slurm: submitit's parameters of that job.
    """

    config: Config
    name: str
    nj: int = 2
    ngpu: int = 0
    force: bool = False
    nproc: int = 1
    nodes: int | None = None
    launcher: Literal["local", "slurm"] = "local"
    slurm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def processes(self) -> int:
        """Processes of each node that train together: one for each GPU."""
        return max(self.ngpu, self.nproc)

    @property
    def data(self) -> Path:
        """Folder of the data directories."""
        return Path(self.config.data.root)

    @property
    def dump(self) -> Path:
        """Folder of the features: dump/data for data, and for data/speech, and so for any other folder, dump/speech."""
        parts = self.data.parts[1:] if len(self.data.parts) > 1 and self.data.parts[0] == "data" else self.data.parts
        return Path("dump") / "_".join(part for part in parts if part != self.data.anchor)

    @property
    def exp(self) -> Path:
        """Folder of this experiment."""
        return Path("exp") / self.name

    @property
    def reading(self) -> list[Claim]:
        """Locks of one who reads the data: all of it, and the sets that ``jointst pseudo_label`` may write anew."""
        return [
            Claim.inside(self.data, shared=True),
            *(Claim.beside(self.data / name, shared=True) for name in self.config.data.pseudo),
        ]

    @property
    def paired_sets(self) -> list[str]:
        """Names of all sets with audio: training, development, test, and those with pseudo-labels."""
        data = self.config.data
        return list(dict.fromkeys((*data.train, *data.dev, *data.test, *data.pseudo)))

    @property
    def all_sets(self) -> list[str]:
        """Names of all sets, text-only ones last."""
        return [*self.paired_sets, *self.config.data.unpaired]


_NO_EFFECT: dict[str, Any] = {"on_collapse": TrainingConfig.on_collapse, "workers": 0}
"""Settings of training that change nothing of what a stage makes once it is finished, with their first defaults."""

AUDIO_ENCODER = "model.audio_encoder"
"""The section of the pretrained encoder, on which features depend as well; there is none for a conformer."""


def settings_of(config: Config, sections: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Sections of the settings as plain values, to be hashed.

    A setting that came later is left out where it is as things were before it came, so that what was made then holds.
    """
    settings = {name: dataclasses.asdict(getattr(config, name)) for name in sections if name != AUDIO_ENCODER}
    pretrained = config.model.audio_encoder.pretrained is not None
    if AUDIO_ENCODER in sections and pretrained:
        settings[AUDIO_ENCODER] = dataclasses.asdict(config.model.audio_encoder)
        for key in ("rate", "rate_decay", "recompute"):  # of training alone
            del settings[AUDIO_ENCODER][key]
    if "model" in settings and not pretrained:
        del settings["model"]["audio_encoder"]
    elif "model" in settings:
        alone = ("recompute",)  # it changes time and memory alone
        for key in ("rate", "rate_decay", *alone) if config.model.audio_encoder.frozen else alone:
            del settings["model"]["audio_encoder"][key]
    if "data" in settings:
        del settings["data"]["same_sentences"]  # only what is found fault with depends on it
    if "features" in settings:
        settings["features"] = config.features.stated()
    if "loss" in settings:
        for key in ("end_update", "centre"):
            if not getattr(config.loss.consistency, key):
                del settings["loss"]["consistency"][key]
    if "training" in settings:
        del settings["training"]["graphs"]  # of time and memory alone
        if not config.training.augmentation.does_something:
            del settings["training"]["augmentation"]
        for key in ("start_from", "freeze", "freeze_updates"):
            if not getattr(config.training, key):
                del settings["training"][key]
        if not config.training.speech_batch.max_seconds:
            del settings["training"]["speech_batch"]["max_seconds"]
    if "decoding" in settings and config.decoding.phrases is None:
        settings["decoding"] = {k: v for k, v in settings["decoding"].items() if not k.startswith("phrase")}
    return settings


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a stage made, for its closing line."""

    what: str
    where: Path


def writes_data(context: Context) -> list[Claim]:
    """The lock of a stage that writes data directories or features."""
    return [Claim.inside(context.data)]


def reads_data(context: Context) -> list[Claim]:
    """The locks of a stage that reads data and writes none of it."""
    return context.reading


def writes_experiment(context: Context) -> list[Claim]:
    """The locks of a stage that writes the experiment's folder and reads data."""
    return [Claim.beside(context.exp), *context.reading]


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
        """Do the work and write the stamp."""
        module, function = self.function.split(":")
        started = time.time()
        stamp = self.stamp(context)
        stamp.unlink(missing_ok=True)
        # When the work began, by the clock of the file system, which may be another machine's.
        write_atomically(stamp, "")
        begun = stamp.stat().st_mtime_ns
        stamp.unlink()
        folders = (context.exp,) if self.per_experiment else (context.data, context.dump)
        try:
            for folder in folders:
                remove_remains(folder)
            made: Made = getattr(importlib.import_module(module), function)(context)
        except BaseException:
            for folder in folders:  # of workers that were ended amid their work
                remove_remains(folder)
            raise
        record = {"settings": self.digest(context), "made": made.what, "seconds": round(time.time() - started, 2)}
        write_atomically(stamp, json.dumps(record, indent=1) + "\n")
        os.utime(stamp, ns=(begun, begun))  # an input that was changed amid the work is newer
        return made


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write a whole file or nothing: into a temporary file beside it, flushed, then renamed.

    Args:
        path: the file; its folder is made.
        content: text (UTF-8) or bytes.

    Raises:
        OSError: the disk is full or the folder cannot be written; a file that was there stays as it was.
    """
    with _renamed_when_done(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def write_lines_atomically(path: Path, lines: Iterable[str]) -> None:
    """Write lines as they come, so that a long file is never in memory; whole or nothing, as the other.

    Args:
        path: the file; its folder is made.
        lines: text with its line feeds (UTF-8).

    Raises:
        OSError: as for :func:`write_atomically`.
    """
    with _renamed_when_done(path) as stream:
        for line in lines:
            stream.write(line.encode())


@contextlib.contextmanager
def _renamed_when_done(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside ``path`` that takes its place once everything is written and flushed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(path)
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say where
        raise
    finally:
        temporary.unlink(missing_ok=True)


def present(paths: Iterator[Path] | list[Path]) -> list[Path]:
    """Those of ``paths`` that exist."""
    return [path for path in paths if path.exists()]

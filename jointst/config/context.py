"""What a stage may know, and what it says in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jointst.common.lock import Claim
from jointst.config import Config


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a stage may know.

    Attributes:
        config: all settings.
        name: name of the experiment, the stem of its configuration file.
        nj: processes for long work.
        ngpu: GPUs to train and decode on, and for a frozen encoder; 0 for the CPU.
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

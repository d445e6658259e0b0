"""What is compared: systems, seeds and controls of one recipe; each combination is a cell."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from jointst.common.errors import DataError, JointstError
from jointst.common.files import write_atomically
from jointst.config.context import Context
from jointst.config.load import parse
from jointst.recipe.commands import RECIPE_COMMANDS
from jointst.recipe.stage import Stage
from jointst.recipe.stages import STAGES

Control = Literal["updates", "time"]
"""What is equal between systems: the number of updates, or the training time."""

CONTROLS: tuple[Control, ...] = ("updates", "time")
CELL_STAGES = ("train", "decode", "score")
"""Stages that every cell runs."""
ROOT = Path("exp") / "compare"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A comparison.

    Attributes:
        name: its folder is ``exp/compare/<name>``.
        conf: settings files of the recipe.
        systems: names, each the stems of settings files joined by ``+``, as in ``best+mask_30``.
        seeds: of each system.
        controls: what is held equal; ``time`` takes its measure from cells of ``updates``.
        baseline: the system that the others are measured against.
        time_of: the system whose training time all get under ``time``.
        overrides: settings for all cells, as on a command line.
        folder: where the systems' files are.
        align: whether every cell runs the stage align, too.
        probe: whether every cell runs the command probe, too.
    """

    name: str
    conf: tuple[str, ...] = ("conf/train.yaml",)
    systems: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    controls: tuple[Control, ...] = ("updates",)
    baseline: str
    time_of: str
    overrides: tuple[str, ...] = ()
    folder: str = "../systems"
    align: bool = False
    probe: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.+-]+", self.name) or self.name.startswith("."):
            raise JointstError(f"--name: is {self.name!r} (letters, digits, _ . + -)")
        for what, values in (("--systems", self.systems), ("--seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise JointstError(f"{what}: {' '.join(map(str, values)) or 'none'} (name each once)")
        for what, system in (("--baseline", self.baseline), ("--time-of", self.time_of)):
            if system not in self.systems:
                raise JointstError(f"{what}: {system} is not among --systems {' '.join(self.systems)}")
        if min(self.seeds) < 0:
            raise JointstError(f"--seeds: {min(self.seeds)} is negative")

    @property
    def path(self) -> Path:
        """Folder of the comparison."""
        return ROOT / self.name

    def files(self, system: str) -> list[str]:
        """Settings files of a system, to be layered over the recipe's.

        Raises:
            JointstError: there is no such file, with those there are.
        """
        return [str(self._file(part)) for part in system.split("+")]

    def _file(self, part: str) -> Path:
        folders = (Path(self.folder), Path(self.folder) / "ablations", Path("conf"))
        for folder in folders:
            path = folder / f"{part}.yaml"
            if path.is_file():
                return path
        known = sorted(path.stem for folder in folders for path in folder.glob("*.yaml"))
        raise JointstError(f"--systems: no {part}.yaml in {' or '.join(map(str, folders))}; known: {' '.join(known)}")

    def base(self, system: str) -> Context:
        """Settings of a system, seed 0, as its first cell would read them."""
        return _parsed(tuple(self._settings(system)))

    def _settings(self, system: str) -> list[str]:
        files = [*self.conf, *self.files(system)]
        return [word for file in files for word in ("--conf", file)] + list(self.overrides)

    def cell(self, system: str, seed: int, control: Control, updates: int | None) -> Cell:
        """One training.

        Args:
            system: its name.
            seed: of weights and order.
            control: updates or time.
            updates: how many; None for those of the settings.
        """
        key = f"{system}_seed{seed}" + ("" if updates is None else f"_{control}")
        words = [*self._settings(system), "--training.seed", str(seed)]
        words += [] if updates is None else ["--training.max_updates", str(updates)]
        name = f"compare/{self.name}/{key}"
        base = self.base(system)
        training = dataclasses.replace(base.config.training, seed=seed)
        if updates is not None:
            training = dataclasses.replace(training, max_updates=updates)
        context = dataclasses.replace(base, name=name, config=dataclasses.replace(base.config, training=training))
        words += ["--name", name]
        extra = [name for name, wanted in (("align", self.align), ("probe", self.probe)) if wanted]
        arguments = tuple(words)
        return Cell(
            system=system,
            seed=seed,
            control=control,
            key=key,
            arguments=arguments,
            context=context,
            stages=(*CELL_STAGES, *extra),
        )

    def write(self) -> None:
        """Remember the grid, so that its name is enough to go on with it."""
        write_atomically(self.path / "grid.json", json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, name: str) -> dict[str, Any]:
        """Fields of an earlier grid; empty if there is none.

        Raises:
            DataError: its file is damaged.
        """
        path = ROOT / name / "grid.json"
        if not path.is_file():
            return {}
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise DataError("is damaged", path=path, fix="remove it and state the grid again") from None
        return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


@lru_cache(maxsize=256)
def _parsed(words: tuple[str, ...]) -> Context:
    return parse("train", "", list(words))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training with its decoding and scoring.

    Attributes:
        system: name.
        seed: seed.
        control: what is equal to other cells.
        key: name of its folder and log.
        arguments: of its stages' commands.
        context: the same, parsed.
        stages: which ones.
    """

    system: str
    seed: int
    control: Control
    key: str
    arguments: tuple[str, ...]
    context: Context
    stages: tuple[str, ...] = CELL_STAGES

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.system} seed {self.seed}" + (" at equal time" if self.control == "time" else "")

    @property
    def log(self) -> Path:
        """What its stages print."""
        return self.context.exp.parent / "logs" / f"{self.key}.log"

    def left(self) -> list[Stage]:
        """Stages that are not up to date, and those after them."""
        stages = [stage for stage in (*STAGES, *RECIPE_COMMANDS) if stage.name in self.stages]
        for i, stage in enumerate(stages):
            if stage.reason_to_run(self.context):
                return stages[i:]
        return []


def check_data(grid: Grid) -> None:
    """Check that the stages before training have run.

    Raises:
        JointstError: an input of the training of some system is missing, or systems hear unlike amounts of speech.
    """
    train = next(stage for stage in STAGES if stage.name == "train")
    heard = {system: grid.base(system).config.data.paired_minutes for system in grid.systems}
    if len(set(heard.values())) > 1:
        less, more = min(heard, key=heard.__getitem__), max(heard, key=heard.__getitem__)
        raise JointstError(
            f"--systems: {less} and {more} hear unlike amounts of speech, so that other words are new to each (compare "
            "each amount under a --name of its own; jointst results draws them together)"
        )
    for system in grid.systems:
        missing = [path for path in train.inputs(grid.base(system)) if not path.exists()]
        if missing:
            raise JointstError(f"{system}: {missing[0]} is missing (./run.sh --stop-stage 5 makes the data first)")

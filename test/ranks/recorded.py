"""A script of a training that writes the loss of every batch down: ``python recorded.py train ARGUMENT ...``.

The number of a batch is that among those of all processes, in ``losses_<rank>.txt`` of the working directory.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning

from jointst.recipe.cli import main

_plain = lightning.Trainer


class Recorder(lightning.Callback):
    """Writes losses down."""

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """One line."""
        number = batch_idx * trainer.world_size + trainer.global_rank
        with Path(f"losses_{trainer.global_rank}.txt").open("a") as stream:
            stream.write(f"{number} {module.latest['loss']!r}\n")


def recorded(**settings: Any) -> lightning.Trainer:
    """The trainer with a recorder."""
    return _plain(**{**settings, "callbacks": [*settings["callbacks"], Recorder()]})


if __name__ == "__main__":
    lightning.Trainer = recorded  # type: ignore[misc]
    sys.exit(main())

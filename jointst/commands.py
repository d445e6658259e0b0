"""The commands that are no stages: they use what a recipe made, wherever it was copied to."""

from __future__ import annotations

import importlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        name: ``jointst <name>``.
        help: one sentence.
        function: ``module:function`` taking its arguments and returning an exit status; imported when run.
    """

    name: str
    help: str
    function: str

    def run(self, arguments: list[str]) -> int:
        """Run it and return its exit status."""
        module, function = self.function.split(":")
        status: int = getattr(importlib.import_module(module), function)(arguments)
        return status


COMMANDS: tuple[Command, ...] = (
    Command(
        name="transcribe",
        help="recognise sound files, a pipe or a microphone with the model that stage 10 packed",
        function="jointst.transcription.command:run",
    ),
    Command(
        name="fix",
        help="mend data directories (order, line ends, keys, empty and leaked sentences) and keep a backup",
        function="jointst.data.fix:run",
    ),
)
"""Every command that is no stage."""

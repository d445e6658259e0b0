"""The commands that are no stages: those run and skipped like a stage, and those with arguments of their own."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from jointst.stage import Context, Stage
from jointst.stages import language_model


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command with arguments of its own.

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


def _sentences(context: Context) -> list[Path]:
    data = context.config.data
    return [context.data / name / "text" for name in (*data.train, *data.unpaired, *data.dev)]


RECIPE_COMMANDS: tuple[Stage, ...] = (
    Stage(
        number=-1,
        name="lm",
        help="train the neural language model on paired and unpaired text; continues from the last checkpoint",
        function="jointst.training.language_model:run",
        sections=("data", "tokenizer", "lm"),
        inputs=lambda context: [*_sentences(context), context.data / "tokenizer" / "tokenizer.model"],
        outputs=lambda context: [context.exp / "lm" / "model.safetensors"],
        per_experiment=True,
    ),
    Stage(
        number=-1,
        name="tune",
        help="find the weights of the language models on the dev sets",
        function="jointst.decoding.tune:run",
        sections=("data", "decoding", "tune"),
        inputs=lambda context: [context.exp / "model.safetensors", *language_model(context)],
        outputs=lambda context: [context.exp / "tune.json"],
        per_experiment=True,
    ),
)
"""What a recipe's experiment may have beside its stages, with the settings of the recipe."""

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
    Command(
        name="compare",
        help="train, decode and score a grid of systems and seeds in a recipe's folder, and lay them side by side",
        function="jointst.comparison.command:run",
    ),
    Command(
        name="results",
        help="make RESULTS.md from the comparisons that recipes have stored: claim by claim, with a verdict",
        function="jointst.comparison.results:run",
    ),
)
"""Those with arguments of their own; ``transcribe`` needs no recipe, the others are run in one."""

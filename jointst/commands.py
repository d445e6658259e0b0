"""Commands beside the stages of a recipe; each is run and skipped like one."""

from __future__ import annotations

from pathlib import Path

from jointst.stage import Context, Stage
from jointst.stages import language_model


def _sentences(context: Context) -> list[Path]:
    data = context.config.data
    return [context.data / name / "text" for name in (*data.train, *data.unpaired, *data.dev)]


COMMANDS: tuple[Stage, ...] = (
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
"""Every command that is no stage."""

"""Stage 5: the tokenizer, and the unpaired text in the numbers that it gives."""

from __future__ import annotations

from jointst.common.threads import available_cpus
from jointst.config.context import Context, Made
from jointst.data.stored_texts import open_texts
from jointst.models.build import PHONES, read_symbols
from jointst.text import tokenizer


def run(context: Context) -> Made:
    """Train the tokenizer, then write the stores of the unpaired sets, so that trainings find them.

    Sets without phones are left out, and trainings with durations write stores of their own.

    Returns:
        Made: see :func:`jointst.text.tokenizer.run`.

    Raises:
        ConfigError: as there.
        DataError: a missing or malformed file.
    """
    made = tokenizer.run(context)
    config = context.config
    paths = [context.data / name for name in config.data.unpaired]
    if config.tokenizer.text_input == "phones":
        paths = [path for path in paths if (path / "phones").is_file()]
    if paths and (context.data / PHONES).is_file():
        open_texts(paths, read_symbols(config, context.data), threads=min(context.nj, available_cpus()))
    return made

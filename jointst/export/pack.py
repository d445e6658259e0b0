"""Stage 10: everything a recogniser needs in one folder, the text encoder left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save

from jointst.errors import DataError, JointstError
from jointst.stage import Context, Made, write_atomically

TRAINING_ONLY = ("text_encoder.", "ctc.")
"""Parts of the model that no recogniser uses, beside the additive joiners of the decoders."""


def run(context: Context) -> Made:
    """Pack the model: weights, settings, tokenizer, phone set and lexicons; and its graphs for sherpa-onnx.

    Raises:
        DataError: there is no trained model.
        CannotExport, EnvironmentFault: there can be no graphs, and ``export.onnx`` is yes.
    """
    from jointst.export.onnx.write import add_onnx  # which reads what is packed here

    weights = context.exp / "model.safetensors"
    if not weights.is_file():
        raise DataError("is missing", path=weights, fix="run stage 6, train")
    packed, writing = context.exp / "packed", context.exp / "packed.writing"
    shutil.rmtree(writing, ignore_errors=True)
    try:
        parameters = _write(context, weights, writing)
        graphs = add_onnx(writing, context)
    except (OSError, JointstError):
        shutil.rmtree(writing, ignore_errors=True)  # as on a full disk, where its space is needed
        raise
    shutil.rmtree(packed, ignore_errors=True)
    writing.rename(packed)
    size = sum(path.stat().st_size for path in packed.rglob("*") if path.is_file()) / 1e6
    return Made(what=f"recogniser of {parameters / 1e6:.2f} M parameters, {graphs}, {size:.1f} MB", where=packed)


def _copy(source: Path, folder: Path, fix: str) -> None:
    if not source.is_file():
        raise DataError("is missing", path=source, fix=fix)
    write_atomically(folder / source.name, source.read_bytes())


def _write(context: Context, weights: Path, folder: Path) -> int:
    """Write all parts into a new folder; the number of parameters."""
    (folder / "lang").mkdir(parents=True)
    with safe_open(weights, framework="pt") as opened:
        about = opened.metadata()
    stored = load_file(weights).items()
    state = {name: part for name, part in stored if not name.startswith(TRAINING_ONLY) and ".additive." not in name}
    write_atomically(folder / "model.safetensors", save(state, about))
    for name in ("config.yaml", "versions.json"):
        _copy(context.exp / name, folder, "run stage 6, train")
    for name in ("tokenizer.model", "tokens.txt"):
        _copy(context.data / "tokenizer" / name, folder, "run stage 5, tokenizer")
    for source in sorted((context.data / "lang").glob("lexicon_*.txt")) + [context.data / "lang" / "phones.txt"]:
        _copy(source, folder / "lang", "run stage 3, lexicon")
    parameters = sum(tensor.numel() for tensor in state.values())
    write_atomically(folder / "parameters.json", json.dumps({"parameters": parameters}) + "\n")
    return parameters

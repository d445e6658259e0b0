"""Stage 10: everything a recogniser needs in one folder, and the text branch in a file of its own beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from jointst.common.errors import DataError, JointstError
from jointst.common.files import write_atomically, write_lines_atomically
from jointst.common.languages import LANGUAGES
from jointst.config.context import Context, Made
from jointst.config.load import from_yaml
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.part import only, spoken_part
from jointst.kaldi.tables import sort_keys
from jointst.models.build import ENCODER, form_of_encoder
from jointst.models.packed import PARAMETERS, RECOGNISER, TEXT_BRANCH, TRAINING_ONLY, WEIGHTS
from jointst.pretrained.registry import encoder_class, open_encoder
from jointst.pretrained.source import encoder_folder
from jointst.text.pronounce import words_of


def run(context: Context) -> Made:
    """Pack the model: weights, settings, tokenizer, phone set, lexicons, the words it was trained on, a pretrained
    audio encoder, and graphs for sherpa-onnx.

    Raises:
        DataError: there is no trained model, what it was trained on is gone, or its audio encoder is damaged.
        EnvironmentFault: its audio encoder cannot be had.
        CannotExport, EnvironmentFault: there can be no graphs, and ``export.onnx`` is yes.
    """
    from jointst.export.onnx.write import add_onnx  # which reads what is packed here

    weights = context.exp / WEIGHTS
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


def _write_audio_encoder(context: Context, folder: Path) -> int:
    """Put a frozen pretrained audio encoder beside the model, or the form of the one that is a part of it; the number
    of parameters beside the model's own."""
    config = from_yaml(context.exp / "config.yaml")
    settings = config.model.audio_encoder
    form = form_of_encoder(context.exp)
    if form is not None:
        _copy(form / "config.json", folder, "run stage 6, train")
    if not settings.frozen:
        return 0
    encoder_class(settings.kind).pack(encoder_folder(settings, Path(config.corpus.downloads)), folder)
    return sum(weight.numel() for weight in open_encoder(settings.kind, folder).parameters())


def _copy(source: Path, folder: Path, fix: str) -> None:
    if not source.is_file():
        raise DataError("is missing", path=source, fix=fix)
    write_atomically(folder / source.name, source.read_bytes())


def _write(context: Context, weights: Path, folder: Path) -> int:
    """Write all parts into a new folder; the number of parameters."""
    (folder / "lang").mkdir(parents=True)
    with safe_open(weights, framework="pt") as opened:
        about = opened.metadata() or {}
    parameters = write_weights(folder, load_file(weights), about)
    for name in ("config.yaml", "versions.json"):
        _copy(context.exp / name, folder, "run stage 6, train")
    for name in ("tokenizer.model", "tokens.txt"):
        _copy(context.data / "tokenizer" / name, folder, "run stage 5, tokenizer")
    for source in sorted((context.data / "lang").glob("lexicon_*.txt")) + [context.data / "lang" / "phones.txt"]:
        _copy(source, folder / "lang", "run stage 3, lexicon")
    for lang, words in _trained_on(context).items():
        write_lines_atomically(words_file(folder, lang), (f"{word}\n" for word in sort_keys(words)))
    parameters += _write_audio_encoder(context, folder / ENCODER)
    write_atomically(folder / PARAMETERS, json.dumps({"parameters": parameters}) + "\n")
    return parameters


def write_weights(folder: Path, state: Mapping[str, Tensor], about: Mapping[str, str]) -> int:
    """Write the recogniser and, beside it, its text branch.

    Args:
        folder: where to.
        state: all weights of a model.
        about: what is kept with both.

    Returns:
        Parameters of the recogniser.
    """
    aside = {name for name in state if name.startswith(TRAINING_ONLY) or ".additive." in name}
    recogniser = {name: tensor for name, tensor in state.items() if name not in aside}
    content = save(recogniser, dict(about))
    write_atomically(folder / WEIGHTS, content)
    belongs = {**about, RECOGNISER: hashlib.sha256(content).hexdigest()}
    write_atomically(folder / TEXT_BRANCH, save({name: state[name] for name in sorted(aside)}, belongs))
    return sum(tensor.numel() for tensor in recogniser.values())


def words_file(folder: Path, lang: str) -> Path:
    """Where a packed model says which words of a language it was trained on, heard or read; one a line."""
    return folder / "lang" / f"words_{lang}.txt"


def _trained_on(context: Context) -> dict[str, set[str]]:
    """The words that the model has met in training, by language."""
    data = context.config.data
    read = data.unpaired if context.config.loss.text > 0 else ()
    found: dict[str, set[str]] = {}
    spoken = [DataDirectory.read(context.data / name, only=("text", "utt2lang")) for name in data.train]
    others = [DataDirectory.read(context.data / name, only=("text", "utt2lang")) for name in (*data.pseudo, *read)]
    for directory in (*only(spoken, spoken_part(context.config, context.data)), *others):
        for utterance, text in directory.text.items():
            lang = directory.utt2lang.get(utterance)
            if lang in LANGUAGES:
                found.setdefault(lang, set()).update(words_of(text, lang, context.config.lexicon))
    return found

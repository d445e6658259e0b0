"""The trained model that a training starts from: an experiment's folder, or a packed one; no pickle is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from jointst.common.errors import DataError
from jointst.config import Config
from jointst.config.load import from_yaml
from jointst.data.symbols import Symbols
from jointst.models.build import PHONES, TOKENIZER, as_trained, build_model, digest_tables, form_of_encoder
from jointst.models.packed import RECOGNISER, TEXT_BRANCH, TRAINING_ONLY, WEIGHTS
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import Tokenizer

PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")
FIX = "training.start_from names the folder of a finished experiment, exp/<name>, or exp/<name>/packed"
FIRST_LANGUAGES = ("", *"ar de en es fr hi it ja pt ru zh".split())
"""Rows of a language embedding from before models said which they are."""
LANGUAGE_VECTORS = "language.vectors.weight"


@dataclass(frozen=True, kw_only=True)
class StartModel:
    """A trained model to start from.

    Attributes:
        folder: where it is.
        config: the settings of its model, as trained.
        symbols: its symbol tables.
        languages: the language of each row of its language embedding.
        state: its weights by name.
        about: what its file of weights says of itself.
        sha256: checksums: ``weights`` of the file (with a text branch beside it, of both), ``symbols`` of both tables.
    """

    folder: Path
    config: Config
    symbols: Symbols
    languages: tuple[str, ...]
    state: dict[str, Tensor]
    about: dict[str, str]
    sha256: dict[str, str]

    @property
    def has_text_branch(self) -> bool:
        """Whether it has a text encoder, trained or not; models packed without one lack it."""
        return any(name.startswith("text_encoder.") for name in self.state)


def shapes_of(config: Config, symbols: Symbols, audio_encoder: Path | None = None) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a model, by name; none of them is made.

    Args:
        config, symbols, audio_encoder: see :func:`jointst.models.build.build_model`.
    """
    with torch.device("meta"):
        model = build_model(config, symbols, audio_encoder)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def checksum(folder: Path) -> str | None:
    """The sha256 of the weights in a folder, None where there are none to be read."""
    try:
        return _digest((folder / WEIGHTS).read_bytes(), _branch(folder))
    except OSError:
        return None


def _digest(content: bytes, branch: bytes) -> str:
    return hashlib.sha256(content + branch).hexdigest()


def _branch(folder: Path) -> bytes:
    """The bytes of the text branch beside a packed recogniser; none where there is no such file."""
    path = folder / TEXT_BRANCH
    return path.read_bytes() if path.is_file() else b""


def read_start(folder: Path) -> StartModel:
    """The model in a folder.

    Raises:
        DataError: there is none, or only a part of one, or one of another kind; or its symbol tables are gone.
        JointstError: its settings cannot be read.
    """
    content = _content(folder)
    path = folder / WEIGHTS
    state, about = _parsed(path, content)
    branch = _branch(folder)
    if branch:
        aside, belongs = _parsed(folder / TEXT_BRANCH, branch)
        if belongs.get(RECOGNISER) != hashlib.sha256(content).hexdigest():
            problem = f"is the text branch of another model than {WEIGHTS} beside it"
            raise DataError(problem, path=folder / TEXT_BRANCH, fix="copy the packed folder again as a whole")
        state |= aside
    _check_kind(path, state, about)
    if not (folder / "config.yaml").is_file():
        raise DataError("is missing", path=folder / "config.yaml", fix=FIX)
    config = as_trained(from_yaml(folder / "config.yaml"), state)
    tokenizer, phones = _tables(folder, config, about.get("symbols"))
    symbols = Symbols(
        tokenizer=Tokenizer.read(tokenizer),
        phones=PhoneTable.read(phones),
        text_input=config.tokenizer.text_input,
    )
    languages = tuple(about["languages"].split(" ")) if "languages" in about else FIRST_LANGUAGES
    _check_fit(path, config, symbols, languages, state)
    sha256 = {"weights": _digest(content, branch), "symbols": digest_tables(tokenizer, phones)}
    return StartModel(
        folder=folder,
        config=config,
        symbols=symbols,
        languages=languages,
        state=state,
        about=about,
        sha256=sha256,
    )


def _parsed(path: Path, content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, and what the file says of itself."""
    try:
        about: dict[str, str] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get(
            "__metadata__", {}
        )
        return load(content), about
    except (SafetensorError, ValueError, KeyError) as error:
        problem = f"is no whole file of safetensors: {error}"
        raise DataError(problem, path=path, fix="copy it again, or train that model again") from None


def _content(folder: Path) -> bytes:
    """The bytes of the weights, read once: what they hash to is what is loaded."""
    if folder.is_file():
        if folder.suffix in PICKLES:
            problem = "is a pickle, which may run any code when it is read: models are taken from safetensors alone"
            raise DataError(problem, path=folder, fix=FIX)
        raise DataError("is a file", path=folder, fix=FIX)
    if not folder.is_dir():
        raise DataError("there is no such folder to start from", path=folder, fix=FIX)
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS).read_bytes()
    if (folder / "checkpoints").is_dir() and (folder / "config.yaml").is_file():
        problem = f"has no {WEIGHTS}: its training has not ended"
        raise DataError(problem, path=folder, fix="run its stage 6, train, to the end")
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        problem = f"has no {WEIGHTS} but {pickles[0]}, a pickle, which may run any code when it is read"
        raise DataError(problem, path=folder, fix=FIX)
    raise DataError(f"holds no model: there is no {WEIGHTS}", path=folder, fix=FIX)


def _check_kind(path: Path, state: dict[str, Tensor], about: dict[str, str]) -> None:
    parts = {name.split(".")[0] for name in state}
    if not {"subsampling", "streaming_encoder", "full_context_decoder"} <= parts:
        kind = (
            "a language model of jointst lm" if {"tokenizer", "vocabulary"} <= about.keys() else "another kind of model"
        )
        named = " ".join(sorted(parts)[:5]) or "nothing"
        raise DataError(f"is {kind}, no recogniser: it holds {named}", path=path, fix=FIX)
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise DataError(f"{name} has values that are not finite", path=path, fix="start from another model")


def _tables(folder: Path, config: Config, symbols: str | None) -> tuple[Path, Path]:
    """Tokenizer and phone table of a model: beside it, as they were packed, or those of its recipe's data.

    Args:
        folder: of the model.
        config: its settings.
        symbols: what its tables must hash to; None where it does not say, as those packed earlier: then they must lie
            beside it.
    """
    for tokenizer, phones in _places(folder, config):
        if tokenizer.is_file() and phones.is_file() and symbols in (None, digest_tables(tokenizer, phones)):
            return tokenizer, phones
        if symbols is None:
            missing = phones if tokenizer.is_file() else tokenizer
            raise DataError("is missing", path=missing, fix="run stage 10, export, and name the packed folder")
    raise DataError(
        f"the symbol tables that this model was trained with are gone ({TOKENIZER.name} and {PHONES})",
        path=folder,
        fix="put them into that folder, or name a packed folder of this very model",
    )


def _places(folder: Path, config: Config) -> Iterator[tuple[Path, Path]]:
    for kept in (folder, folder / "packed"):
        yield kept / TOKENIZER.name, kept / PHONES
    above = folder.resolve().parents
    recipe = next((parent.parent for parent in above if parent.name == "exp"), Path.cwd())
    for data in (recipe / config.data.root, Path(config.data.root)):
        yield data / TOKENIZER, data / PHONES


def _check_fit(
    path: Path, config: Config, symbols: Symbols, languages: tuple[str, ...], state: dict[str, Tensor]
) -> None:
    """Weights are those of the settings beside them; parts that only training uses may be missing as a whole."""
    expected = shapes_of(config, symbols, form_of_encoder(path.parent))
    if LANGUAGE_VECTORS in expected:
        expected[LANGUAGE_VECTORS] = (len(languages), config.model.dim)
    for part in TRAINING_ONLY:
        if not any(name.startswith(part) for name in state):
            expected = {name: shape for name, shape in expected.items() if not name.startswith(part)}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            there, wanted = found.get(name, "missing"), expected.get(name, "not known")
            problem = (
                f"does not fit the settings and symbol tables beside it: {name} is {there}, by these it is {wanted}"
            )
            raise DataError(problem, path=path, fix="its folder was changed: export or train that model again")

"""Names and contents of the exported folder's files, and graphs read back from there; no torch is needed for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

from jointst.common.errors import DataError, EnvironmentFault
from jointst.common.threads import onnxruntime_options
from jointst.config import Decoder

FOLDER = "onnx"
"""The exported folder, inside the packed one."""
PARTS = ("encoder", "decoder", "joiner")
"""The graphs of a transducer, as sherpa-onnx calls them: its decoder is our predictor."""
Precision: TypeAlias = Literal["float32", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
STREAMING: Decoder = "streaming"
FULL_CONTEXT: Decoder = "full_context"
KINDS: tuple[Decoder, ...] = (STREAMING, FULL_CONTEXT)
"""Folders of the graphs of both passes."""
FIX = "run stage 10, export, with --force"
_NEEDED = {
    STREAMING: (
        *("T", "decode_chunk_len", "num_hidden_layers", "hidden_size", "intermediate_size", "csgu_kernel_size"),
        *("merge_conv_kernel", "left_context_len", "num_heads", "head_dim"),
    ),
    FULL_CONTEXT: (),
}
"""Numbers that sherpa-onnx reads from an encoder; without one it ends the process that it runs in."""
_NUMBERS = {"encoder": ("labels_per_position",), "decoder": ("vocab_size", "context_size"), "joiner": ()}


def graph_file(folder: Path, kind: Decoder, part: str, precision: Precision) -> Path:
    """Where a graph is."""
    return folder / kind / (f"{part}.onnx" if precision == "float32" else f"{part}.int8.onnx")


class Graphs:
    """The graphs of one pass, ready to run.

    Args:
        folder: the exported folder.
        kind: which pass.
        precision: of the weights.

    Raises:
        EnvironmentFault: onnxruntime is missing.
        DataError: a file is missing, damaged, or lacks what sherpa-onnx needs of it.
    """

    def __init__(self, folder: Path, kind: Decoder, precision: Precision) -> None:
        self.kind = kind
        sessions = {part: _open(graph_file(folder, kind, part, precision)) for part in PARTS}
        self.encoder, self.decoder, self.joiner = (sessions[part] for part in PARTS)
        self.numbers: dict[str, int] = {}
        for part, session in sessions.items():
            needed = _NUMBERS[part] + (_NEEDED[kind] if part == "encoder" else ())
            stated: dict[str, str] = session.get_modelmeta().custom_metadata_map
            for key in needed:
                self.numbers[key] = _number(stated, key, graph_file(folder, kind, part, precision))
            if part == "encoder":
                self.shift = _shift(stated, graph_file(folder, kind, part, precision))
        self._check_shapes(graph_file(folder, kind, "joiner", precision))

    @property
    def labels(self) -> int:
        """R, how often the encoder gives each position."""
        return self.numbers["labels_per_position"]

    def _check_shapes(self, path: Path) -> None:
        sides = [self.encoder.get_outputs()[0].shape[-1], self.decoder.get_outputs()[0].shape[-1]]
        wanted = [side.shape[-1] for side in self.joiner.get_inputs()]
        vocabulary = self.joiner.get_outputs()[0].shape[-1]
        if sides != wanted or vocabulary != self.numbers["vocab_size"]:
            problem = f"joins {wanted} to {vocabulary} labels, the graphs beside it give {sides} and have"
            raise DataError(f"{problem} {self.numbers['vocab_size']}", path=path, fix=FIX)


def _open(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        install = "pip install 'jointst[export]', or tools/install.sh --extra export"
        raise EnvironmentFault(f"needs the package onnxruntime: {error} ({install})") from None
    if not path.is_file():
        raise DataError("is missing", path=path, fix=FIX)
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), onnxruntime_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001  its own classes, which share no other base
        said = str(error).splitlines()[0]
        raise DataError(f"is no graph that onnxruntime can run: {said}", path=path, fix=FIX) from None


def _number(stated: dict[str, str], key: str, path: Path) -> int:
    value = stated.get(key)
    if value is None:
        raise DataError(f"has no {key} in its metadata", path=path, fix=FIX)
    if not value.isdigit():
        raise DataError(f"has {key} {value!r} in its metadata, no number", path=path, fix=FIX)
    return int(value)


def _shift(stated: dict[str, str], path: Path) -> float:
    try:
        return float(stated.get("shift", "none"))
    except ValueError:
        raise DataError(f"has shift {stated.get('shift')!r} in its metadata, no number", path=path, fix=FIX) from None


def check_tokens(folder: Path, vocabulary: int) -> None:
    """Refuse tokens.txt that is not of these graphs.

    Raises:
        DataError: it is missing, damaged, or of another size.
    """
    path = folder / "tokens.txt"
    if not path.is_file():
        raise DataError("is missing", path=path, fix=FIX)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 at byte {error.start}", path=path, fix=FIX) from None
    for number, line in enumerate(lines):
        if line.split()[1:] != [str(number)]:
            raise DataError(f"is {line!r}, not a piece and {number}", path=path, line=number + 1, fix=FIX)
    if len(lines) != vocabulary:
        raise DataError(f"has {len(lines)} labels, the graphs {vocabulary}", path=path, fix=FIX)

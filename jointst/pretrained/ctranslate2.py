"""Whisper's encoder out of a ``model.bin`` of CTranslate2, a flat list of arrays that runs no code.

A version, the name of a specification and its revision; then a number of variables, each a name, its sizes, its type
and its bytes; then aliases of variables, which the encoder does without. Numbers are little-endian, strings end in a
zero.

D width, L layers.
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointst.common.errors import DataError

VERSIONS = range(4, 7)
"""Of the format, in all of which variables are written alike."""
SPECIFICATION = "WhisperSpec"
TYPES: dict[int, str] = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
"""Types of variables; bfloat16 is 5."""
BFLOAT16 = 5
FIX = "name the folder of a Whisper model in CTranslate2's float16, bfloat16 or float32, or in the hub's own form"
_LONGEST, _RANK = 4096, 8
"""Characters of a name and sizes of a variable at most: more are a sign of damage."""


class _File:
    """A file that is read from the front, every number checked for being there."""

    def __init__(self, content: mmap.mmap, path: Path) -> None:
        self._content = content
        self._path = path
        self._place = 0

    def take(self, count: int) -> bytes:
        if count > len(self._content) - self._place:
            raise DataError(
                f"ends after {len(self._content)} bytes, amid a variable", path=self._path, fix="download it again"
            )
        self._place += count
        return self._content[self._place - count : self._place]

    def number(self, form: str) -> int:
        value: int = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))[0]
        return value

    def string(self) -> str:
        length = self.number("H")
        if not 0 < length <= _LONGEST:
            raise DataError(f"is no model.bin of CTranslate2: a name of {length} bytes", path=self._path, fix=FIX)
        return self.take(length).rstrip(b"\0").decode("utf-8", errors="replace")


def read_variables(path: Path, prefix: str) -> dict[str, Tensor]:
    """The variables of a ``model.bin`` whose names begin with a prefix, without it.

    Raises:
        DataError: it is no such file, of another kind of model, or cut short.
    """
    found: dict[str, Tensor] = {}
    with open(path, "rb") as opened:
        if not path.stat().st_size:
            raise DataError("is empty", path=path, fix="download it again")
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            stream = _File(content, path)
            version = stream.number("I")
            if version not in VERSIONS:
                problem = "is no model.bin of CTranslate2, or of a version that is not known; if it is a pickle of "
                raise DataError(problem + "torch, it is not read: it may run any code", path=path, fix=FIX)
            specification, _ = stream.string(), stream.number("I")
            if specification != SPECIFICATION:
                raise DataError(f"is a model of the kind {specification!r}, not Whisper", path=path, fix=FIX)
            for _ in range(stream.number("I")):
                name, rank = stream.string(), stream.number("B")
                if rank > _RANK:
                    raise DataError(f"{name} has {rank} sizes: it is damaged", path=path, fix="download it again")
                shape = tuple(stream.number("I") for _ in range(rank))
                kind, size = stream.number("B"), stream.number("I")
                data = stream.take(size)
                if name.startswith(prefix):
                    found[name.removeprefix(prefix)] = _tensor(name, kind, shape, data, path)
    return found


def _tensor(name: str, kind: int, shape: tuple[int, ...], data: bytes, path: Path) -> Tensor:
    if kind != BFLOAT16 and kind not in TYPES:
        raise DataError(f"{name} has a type of number that is not known, {kind}", path=path, fix=FIX)
    own = np.dtype("<i2" if kind == BFLOAT16 else TYPES[kind])
    if len(data) != math.prod(shape) * own.itemsize:
        problem = f"{name} has {len(data) / own.itemsize:g} numbers, by its sizes {shape} it has {math.prod(shape)}"
        raise DataError(problem, path=path, fix="download it again")
    values: NDArray[np.generic] = np.frombuffer(data, dtype=own)
    tensor = torch.from_numpy(values.reshape(shape).copy())
    return tensor.view(torch.bfloat16) if kind == BFLOAT16 else tensor


def read_whisper(path: Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """Sizes and weights of the encoder, under the names that the Hugging Face hub gives them.

    Raises:
        DataError: it is no such file, cut short, quantised, or lacks the encoder.
    """
    try:
        return _arrange(read_variables(path, "encoder/"), path)
    except DataError:
        raise
    except (ValueError, IndexError, RuntimeError) as error:  # of arrays that have other numbers of sizes
        raise DataError(f"holds no encoder as Whisper has: {error}", path=path, fix="download it again") from None


def _arrange(stored: dict[str, Tensor], path: Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """Sizes, and weights under other names, of the variables of an encoder."""
    scaled = next((name for name in stored if name.endswith("weight_scale")), None)
    if scaled is not None:
        raise DataError(f"is quantised ({scaled}): the states would be others", path=path, fix=FIX)

    def get(name: str) -> Tensor:
        if name not in stored:
            raise DataError(f"lacks the variable encoder/{name}", path=path, fix=FIX)
        return stored[name]

    layers = len({name.split("/")[0] for name in stored if name.startswith("layer_") and name[6:7].isdigit()})
    state = {"embed_positions.weight": get("position_encodings/encodings")}
    for conv in ("conv1", "conv2"):
        state |= {f"{conv}.{part}": get(f"{conv}/{part}") for part in ("weight", "bias")}
    state |= _norm("layer_norm", get("layer_norm/gamma"), get("layer_norm/beta"))
    for i in range(layers):
        attention, feed_forward, own = f"layer_{i}/self_attention", f"layer_{i}/ffn", f"layers.{i}"
        for part, norm in ((attention, "self_attn_layer_norm"), (feed_forward, "final_layer_norm")):
            gamma, beta = (get(f"{part}/layer_norm/{name}") for name in ("gamma", "beta"))
            state |= _norm(f"{own}.{norm}", gamma, beta)
        for name in ("weight", "bias"):
            fused = get(f"{attention}/linear_0/{name}").chunk(3)  # queries, keys and values
            state |= {f"{own}.self_attn.{side}_proj.{name}": part for side, part in zip("qkv", fused, strict=True)}
            state[f"{own}.self_attn.out_proj.{name}"] = get(f"{attention}/linear_1/{name}")
            for number in (0, 1):
                state[f"{own}.fc{number + 1}.{name}"] = get(f"{feed_forward}/linear_{number}/{name}")
    positions, dim = get("position_encodings/encodings").shape
    sizes = {
        "mel_bins": get("conv1/weight").shape[1],
        "dim": dim,
        "layers": layers,
        "heads": int(get("num_heads")),
        "inner": len(get("layer_0/ffn/linear_0/bias")),
        "positions": positions,
    }
    return sizes, state


def _norm(name: str, gamma: Tensor, beta: Tensor) -> dict[str, Tensor]:
    return {f"{name}.weight": gamma, f"{name}.bias": beta}

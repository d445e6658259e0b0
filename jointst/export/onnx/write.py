"""Writes the exported folder: graphs of each pass in both precisions, tokens.txt, bpe.vocab, a README and its program.

N streams or utterances, T frames, F mel bins, P positions.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jointst.common.errors import EnvironmentFault
from jointst.common.files import write_atomically
from jointst.config import Decoder, ExportConfig
from jointst.config.context import Context
from jointst.export.onnx.equality import MOST, largest_difference
from jointst.export.onnx.files import FOLDER, STREAMING, graph_file
from jointst.export.onnx.graphs import Form, FullContextEncoder, JoinerGraph, PredictorGraph, StreamingEncoder
from jointst.export.onnx.heard import compared_features
from jointst.export.onnx.limits import PACKAGES, CannotExport, require_exportable, require_packages
from jointst.export.onnx.readme import texts
from jointst.models.build import Trained
from jointst.models.packed import load_packed

OPSET = 17
"""The first with layer norm as one operation; old enough for the onnxruntime of phones."""


def add_onnx(packed: Path, context: Context) -> str:
    """Write ``onnx/`` into a packed folder, as ``export.onnx`` says.

    Returns:
        What there is now, for the stage's closing line.

    Raises:
        CannotExport, EnvironmentFault: it cannot be made, and ``export.onnx`` is yes.
    """
    settings = context.config.export
    if settings.onnx == "no":
        return "no onnx (export.onnx is no)"
    try:
        require_packages(*PACKAGES)
        largest = write_folder(packed, packed / FOLDER, context)
    except (CannotExport, EnvironmentFault) as error:
        shutil.rmtree(packed / FOLDER, ignore_errors=True)
        if settings.onnx == "yes":
            raise
        print(f"onnx/ is not made: {error}", file=sys.stderr)
        return "no onnx"
    return f"onnx as torch to {largest:.1e}"


def form_of(trained: Trained, settings: ExportConfig) -> Form:
    """The form that the settings ask for."""
    usual = 3 if trained.config.tokenizer.kind == "char" else 2
    floor = math.log(trained.config.features.floor)
    return Form(labels=settings.labels_per_position or usual, shift=settings.shift, floor=floor)


@torch.no_grad()
def write_folder(packed: Path, folder: Path, context: Context) -> float:
    """Write the exported folder of a packed model, and try it.

    Returns:
        The largest difference between what onnxruntime and torch make of some utterances.

    Raises:
        CannotExport: the model has no form in sherpa-onnx, or its graphs differ from it.
    """
    trained = load_packed(packed)
    require_exportable(trained)
    form = form_of(trained, context.config.export)
    for kind in trained.config.model.decoders:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for part, graph in _graphs(trained, kind, form).items():
            path = graph_file(folder, kind, part, "float32")
            write_atomically(path, graph)
            _quantise(path, graph_file(folder, kind, part, "int8"))
    shutil.copyfile(packed / "tokens.txt", folder / "tokens.txt")
    tokenizer = trained.symbols.tokenizer
    pairs = zip(tokenizer.pieces(range(tokenizer.size)), tokenizer.scores(), strict=True)
    write_atomically(folder / "bpe.vocab", "".join(f"{piece}\t{score:g}\n" for piece, score in pairs))
    for name, text in texts(trained, form).items():
        write_atomically(folder / name, text)
    utterances, whence = compared_features(context, trained)
    largest = largest_difference(trained, form, folder, utterances)
    said = f"largest difference between onnxruntime and torch over {len(utterances)} {whence}: {largest:.1e}"
    if not largest <= MOST:
        raise CannotExport(f"{said}, more than {MOST:g}: this is a fault of the export, please report it")
    print(f"{said} (at most {MOST:g})", flush=True)
    return largest


def _graphs(trained: Trained, kind: Decoder, form: Form) -> dict[str, bytes]:
    """The three graphs of one pass."""
    model = trained.model
    mel_bins = trained.config.features.mel_bins
    context, width = trained.config.model.decoder.context, trained.config.model.decoder.joint_dim
    decoder = model.decoder(kind)
    about: dict[str, Any] = {
        "labels_per_position": form.labels,
        "shift": form.shift,
        "sampling_rate": f"{trained.config.features.sampling_rate:g}",
        "feature_dim": mel_bins,
        "subsampling_factor": trained.config.model.subsampling,
    }
    if kind == STREAMING:
        encoder = StreamingEncoder(model, form)
        states = encoder.initial_states(2)
        names = [f"state_{index}" for index in range(len(states))]
        new = [f"new_{name}" for name in names]
        about = {"model_type": "ebranchformer", **encoder.metadata, **about}
        inputs = (torch.zeros(2, encoder.metadata["T"], mel_bins), *states)
        axes: dict[str, dict[int, str]] = {name: {0: "N"} for name in (*names, *new)}
        axes |= {"x": {0: "N", 1: "T"}, "encoder_out": {0: "N", 1: "P"}}
        encoded = _graph(encoder, inputs, ["x", *names], ["encoder_out", *new], axes, about, width)
    else:
        about = {"model_type": "conformer", **about}
        inputs = (torch.zeros(2, 100, mel_bins), torch.tensor([100, 60]))
        whole = FullContextEncoder(model, form, trained.front_end.frozen_encoder)
        named = ["encoder_out", "encoder_out_lens"]
        axes = {"x": {0: "N", 1: "T"}, "x_lens": {0: "N"}}
        axes |= {"encoder_out": {0: "N", 1: "P"}, "encoder_out_lens": {0: "N"}}
        encoded = _graph(whole, inputs, ["x", "x_lens"], named, axes, about, width)
    labels = torch.zeros(2, context, dtype=torch.int64)
    sizes = {"context_size": context, "vocab_size": decoder.vocabulary}
    axes = {name: {0: "N"} for name in ("y", "encoder_out", "decoder_out", "logit")}
    sides, joined = (torch.zeros(2, width), torch.zeros(2, width)), ["encoder_out", "decoder_out"]
    return {
        "encoder": encoded,
        "decoder": _graph(PredictorGraph(decoder), (labels,), ["y"], ["decoder_out"], axes, sizes, width),
        "joiner": _graph(JoinerGraph(decoder), sides, joined, ["logit"], axes, {}, decoder.vocabulary),
    }


def _graph(
    module: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    names: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
    about: dict[str, Any],
    width: int,
) -> bytes:
    """A module traced into a graph, with its metadata and the width of its first output, which tracing may not see."""
    import onnx

    buffer: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older of torch's two ways, which says so, needs no further package
        torch.onnx.export(
            module.eval(),
            inputs,
            buffer,
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: axis for name, axis in axes.items() if name in (*names, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load_from_string(buffer.getvalue())
    graph.graph.output[0].type.tensor_type.shape.dim[-1].dim_value = width
    for key, value in {**about, "version": 1, "comment": "jointst"}.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, str(value)
    content: bytes = graph.SerializeToString()
    return content


def _quantise(source: Path, target: Path) -> None:
    """The same graph with the weights of its matrix products in 8 bits.

    Each column has a scale of its own. Weights keep to 7 bits: processors without VNNI add two products in 16 bits,
    which are too few for two of 8 bits each, and what is cut off there changes texts.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _silent():
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the advice on quantisation that onnxruntime writes into the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)

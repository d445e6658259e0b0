"""torch.compile of the layers: fewer and larger kernels on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from jointst.models.joint import JointModel
from jointst.nn.conformer import ConformerLayer


def compile_layers(model: JointModel) -> None:
    """Let every conformer layer be compiled when it is first called, for batches of all sizes.

    All layers of one form share what is compiled; evaluation is to be left out (:func:`uncompiled`). Names of weights
    stay as they are.
    """
    for layer in model.modules():
        if isinstance(layer, ConformerLayer):
            layer.compile(dynamic=True)


def is_compiled(model: JointModel) -> bool:
    """Whether :func:`compile_layers` was called for it."""
    return any(isinstance(layer, ConformerLayer) and layer._compiled_call_impl is not None for layer in model.modules())


@contextmanager
def uncompiled() -> Iterator[None]:
    """Layers are called as they are written: a few batches of other kinds are not worth another compilation."""
    with torch.compiler.set_stance("force_eager"):
        yield

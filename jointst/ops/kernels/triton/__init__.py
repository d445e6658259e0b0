"""The transducer's kernels for GPUs, in Triton, which comes with torch.

Functions take torch tensors and numbers, launch on torch's current stream and never wait for the GPU. The modules here
need Triton when they are imported: ask :func:`usable` first, and take the plain torch form where it says no. With
``TRITON_INTERPRET=1`` in the environment before Triton is first imported, the kernels run on CPU tensors, one
operation at a time: slow, and meant for tests.
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings

from torch import Tensor

_OLDEST = (3, 3)


def interpreted() -> bool:
    """Whether this process interprets kernels instead of compiling them."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


@functools.cache
def missing() -> str:
    """Why Triton cannot be used; empty if it can."""
    try:
        version = str(importlib.import_module("triton").__version__)
    except ImportError as error:
        return f"it cannot be imported ({error})"
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        return f"version {version} is older than {'.'.join(map(str, _OLDEST))}"
    return ""


def available() -> bool:
    """Whether a Triton that these kernels can use is installed."""
    return not missing()


@functools.cache
def _warn_once() -> None:
    warnings.warn(
        f"no Triton kernels: {missing()}. Transducer losses run as plain torch operations, slower and in more memory",
        stacklevel=3,
    )


def usable(tensor: Tensor) -> bool:
    """Whether a tensor's device runs these kernels; for a GPU that should and cannot, one warning says so."""
    if not (tensor.is_cuda or interpreted()):
        return False
    if not available():
        _warn_once()
        return False
    return True

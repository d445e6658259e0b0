"""What the kernel families share: where a row lies, and how they are launched."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
import triton.language as tl  # noqa: F401, the interpreter looks for it
from torch import Tensor

from jointst.ops.kernels.triton import interpreted


def _mend_interpreter() -> None:
    """Triton 3.6 makes integers of arrays of one element, bounds of loops for example, which NumPy 2.4 refuses."""
    interpreter: Any = importlib.import_module("triton.runtime.interpreter")
    before = interpreter._patch_lang_tensor

    def patch(tensor: Any, scope: Any) -> None:
        before(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())

    interpreter._patch_lang_tensor = patch


if interpreted():
    _mend_interpreter()


@triton.jit
def place_of(row, first, chunk, frames, width):  # type: ignore[no-untyped-def]
    """Utterance, frame and place within the frame of rows (b, t - first, s) of a chunk of ``chunk`` frames."""
    frame = row // width
    return frame // chunk, first + frame % chunk, row % width


def on_device(tensor: Tensor) -> contextlib.AbstractContextManager[object]:
    """Makes a tensor's GPU the current one; nothing for the CPU of the interpreter."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext()


def tuned(
    configs: Sequence[triton.Config],
    key: Sequence[str],
    choose: Callable[..., list[triton.Config]],
    restore: Sequence[str] = (),
) -> Callable[[Any], Any]:
    """Time the configurations once for each key and keep the fastest, on disk too; the interpreter is given sizes.

    Args:
        configs: of all dtypes.
        key: arguments whose value asks for another timing.
        choose: which of the configurations suit the arguments.
        restore: arguments that a launch adds to, put back after each timing.
    """

    def wrap(kernel: Any) -> Any:
        if interpreted():
            return kernel
        return triton.autotune(
            configs=list(configs),
            key=list(key),
            restore_value=list(restore) or None,
            prune_configs_by={"early_config_prune": choose},
            cache_results=True,
        )(kernel)

    return wrap


_CHOSEN: dict[tuple[object, ...], dict[str, Any]] = {}


def launch(
    kernel: Any,
    grid: Callable[[Any], tuple[int, ...]],
    key: Sequence[object],
    otherwise: triton.Config | None,
    *arguments: Any,
    **more: Any,
) -> None:
    """Launch a tuned kernel, past the autotuner if possible, which takes longer than the launch.

    Args:
        kernel: made by :func:`tuned`.
        grid: programs of a configuration's sizes.
        key: what the configuration is chosen for, the dtype included.
        otherwise: the configuration while none is chosen, if there is too little to do now to choose by.
        arguments: of the kernel.
        more: its constants; when interpreted, the sizes too.
    """
    if interpreted():
        kernel[grid](*arguments, **more)
        return
    known = (kernel, *key)
    chosen = _CHOSEN.get(known)
    if chosen is None and otherwise is not None:
        chosen = otherwise.all_kwargs()
    if chosen is not None:
        kernel.fn[grid](*arguments, **more, **chosen)
        return
    kernel[grid](*arguments, **more)
    _CHOSEN[known] = kernel.best_config.all_kwargs()

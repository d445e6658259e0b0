"""CUDA graphs of the encoders: all launches of a stack of layers in one, forward and backward.

Batches are padded to few shapes; each is captured when it first comes, and replayed from then on.

B batch, T positions, D features.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from jointst.models.joint import JointModel
from jointst.nn.conformer import ConformerStack
from jointst.ops.distance import widen

BATCHES, POSITIONS = 8, 32
"""Shapes are multiples of these."""
FREE_SHARE = 0.25
"""Share of the card's memory that is left to all else; shapes that come when it is reached are not captured."""
FULL = "training.graphs: the card is full; encoders are launched as usual for batches of further shapes"

Replay = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""From (B, T, D) and lengths (B,) to every layer's output."""


class _Part(nn.Module):
    """What is captured: a stack of which only tensors come back."""

    def __init__(self, stack: ConformerStack) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(B, T, D) and (B,) to every layer's output."""
        return tuple(ConformerStack.forward(self.stack, x, lengths)[0])


def capture(stack: ConformerStack, x: Tensor, lengths: Tensor) -> Replay:
    """CUDA graphs of a stack for inputs like these."""
    sample = torch.zeros_like(x, requires_grad=True), torch.full_like(lengths, x.shape[1])
    autocast = torch.autocast(
        "cuda", torch.get_autocast_dtype("cuda"), enabled=torch.is_autocast_enabled("cuda"), cache_enabled=False
    )
    with _other_threads_go_on(), autocast:
        return cast("Replay", torch.cuda.make_graphed_callables(_Part(stack), sample))


@contextmanager
def _other_threads_go_on() -> Iterator[None]:
    """While one is captured the loader's thread may pin memory: only this one must leave what cannot be captured."""
    usual = torch.cuda.graph
    torch.cuda.graph = partial(usual, capture_error_mode="thread_local")  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        torch.cuda.graph = usual  # type: ignore[misc]


class GraphedStack:
    """A stack's forward: graphs where it is trained on a GPU, the layers themselves otherwise.

    Args:
        stack: the stack.
        capture: makes graphs.
    """

    def __init__(
        self, stack: ConformerStack, capture: Callable[[ConformerStack, Tensor, Tensor], Replay] = capture
    ) -> None:
        self._stack = stack
        self._capture = capture
        self._graphs: dict[tuple[Any, ...], list[Replay]] = {}
        self._used: Counter[tuple[Any, ...]] = Counter()
        self._full = False

    def begin_update(self) -> None:
        """What was computed before has been trained on: all graphs may be used again."""
        self._used.clear()

    def __call__(self, x: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """As :meth:`ConformerStack.forward`."""
        if not (len(self._stack.layers) and self._stack.training and x.requires_grad and torch.is_grad_enabled()):
            return ConformerStack.forward(self._stack, x, lengths)
        batch, positions = x.shape[:2]
        padded = pad(widen(x), (0, 0, 0, -positions % POSITIONS, 0, -batch % BATCHES))
        replay = self._graph(padded, pad(lengths, (0, -batch % BATCHES)))
        if replay is None:
            return ConformerStack.forward(self._stack, x, lengths)
        states = replay(padded, pad(lengths, (0, -batch % BATCHES)))
        return [layer[:batch, :positions] for layer in states], lengths

    def _graph(self, x: Tensor, lengths: Tensor) -> Replay | None:
        """Graphs that this update has not used; none where memory is short.

        A graph's outputs and gradients lie where they lay before, so that it serves once in an update.
        """
        trained = sum(weight.requires_grad for weight in self._stack.parameters())
        key = (x.shape, self._stack.pattern, trained, torch.is_autocast_enabled(x.device.type))
        known = self._graphs.setdefault(key, [])
        if self._used[key] == len(known):
            if not self._full and _is_full(x.device):
                warnings.warn(FULL, stacklevel=2)
                self._full = True
            if self._full:
                return None
            known.append(self._capture(self._stack, x, lengths))
        self._used[key] += 1
        return known[self._used[key] - 1]


def _is_full(device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, whole = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + unused < FREE_SHARE * whole


def graph_stacks(model: JointModel) -> None:
    """Let every stack of layers be captured; evaluation runs the layers themselves. Names of weights stay the same."""
    for stack in model.modules():
        if isinstance(stack, ConformerStack):
            stack.forward = GraphedStack(stack)  # type: ignore[method-assign]


def _graphed(model: JointModel) -> Iterator[GraphedStack]:
    for stack in model.modules():
        if isinstance(stack, ConformerStack) and isinstance(stack.forward, GraphedStack):
            yield stack.forward


def is_graphed(model: JointModel) -> bool:
    """Whether :func:`graph_stacks` was called for it."""
    return any(_graphed(model))


def begin_update(model: JointModel) -> None:
    """Before the first forward of an update; nothing unless stacks are captured."""
    for forward in _graphed(model):
        forward.begin_update()

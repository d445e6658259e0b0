"""Weights that take part in no loss of a phase, as the decoders while CTC is trained alone.

Processes that hold a copy of the model each (DDP) wait for the gradient of every weight. DDP can look for those that
will have none, at each update and in all that was computed; here they are found once in each phase, and have a gradient
of zeros while gradients are shared. Before the optimiser comes they have none again: no step, no decay, no moments.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import Parameter

from jointst.ops.zero_gradients import with_zeros


def reached(total: Tensor) -> set[int]:
    """The ``id`` of each weight that a loss depends on."""
    seen: set[Any] = set()
    found: set[int] = set()
    waiting: list[Any] = [total.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        weight = getattr(node, "variable", None)  # of the node that accumulates the gradient of a weight
        if isinstance(weight, Parameter):
            found.add(id(weight))
        waiting.extend(following for following, _ in node.next_functions)
    return found


class Unused:
    """The weights that are unused in the phase of now.

    Args:
        weights: those whose gradients are shared.
    """

    def __init__(self, weights: Sequence[Parameter]) -> None:
        self._weights = weights
        self._known: dict[Hashable, list[Parameter]] = {}
        self._now: list[Parameter] = []

    def beside(self, total: Tensor, phase: Hashable) -> Tensor:
        """A loss with gradients of zeros for what it does not depend on.

        Args:
            total: the loss.
            phase: losses of the same phase depend on the same weights, in all processes.
        """
        if phase not in self._known:
            used = reached(total)
            self._known[phase] = [weight for weight in self._weights if id(weight) not in used]
        self._now = self._known[phase]
        for weight in self._now:  # some are frozen, and waited for as well
            weight.requires_grad_(True)
        return with_zeros(total, self._now)

    def forget(self) -> None:
        """Take the zeros away, when all gradients have been shared."""
        for weight in self._now:
            weight.grad = None

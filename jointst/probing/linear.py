"""A linear classifier of frozen states, fitted by L-BFGS: what a layer holds that a plane can tell apart.

K examples, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Standard:
    """Mean and deviation of each feature of the training examples.

    Attributes:
        mean: (D,).
        deviation: (D,), above 0.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, examples: Tensor) -> Standard:
        """Of examples (K, D)."""
        return cls(examples.mean(0), examples.std(0, unbiased=False).clamp_min(1e-5))

    def __call__(self, examples: Tensor) -> Tensor:
        """Examples (..., D) with mean 0 and deviation 1."""
        return (examples - self.mean) / self.deviation


@dataclass(frozen=True)
class LinearProbe:
    """A fitted classifier.

    Attributes:
        standard: of its training examples.
        weight: (D, C).
        bias: (C,).
    """

    standard: Standard
    weight: Tensor
    bias: Tensor

    def __call__(self, examples: Tensor) -> Tensor:
        """Logits (..., C) of examples (..., D)."""
        return self.standard(examples) @ self.weight + self.bias

    @classmethod
    def fit(
        cls, examples: Tensor, labels: Tensor, classes: int, *, iterations: int, decay: float, balanced: bool = True
    ) -> LinearProbe:
        """Fit by L-BFGS with a strong Wolfe line search; the problem is convex, so no seed enters.

        Args:
            examples: (K, D).
            labels: (K,) int64.
            classes: C.
            iterations: at most.
            decay: of the squared weights, for each example.
            balanced: whether classes count alike, however many examples they have.
        """
        # A caller's inference mode would leave no gradients, and its tensors have none.
        with torch.inference_mode(False), torch.enable_grad():
            examples, labels = examples.clone(), labels.clone()
            standard = Standard.of(examples)
            inputs = standard(examples)
            counts = torch.bincount(labels, minlength=classes).float()
            weights = 1.0 / counts.clamp_min(1.0) if balanced else None
            parameters = torch.zeros(inputs.shape[1] + 1, classes, requires_grad=True)
            optimiser = torch.optim.LBFGS([parameters], max_iter=iterations, line_search_fn="strong_wolfe")

            def loss() -> Tensor:
                optimiser.zero_grad()
                value = cross_entropy(inputs @ parameters[:-1] + parameters[-1], labels, weight=weights)
                value = value + decay * parameters[:-1].square().sum()
                value.backward()  # type: ignore[no-untyped-call]
                return value

            optimiser.step(loss)  # type: ignore[no-untyped-call]
        fitted = parameters.detach()
        return cls(standard, fitted[:-1], fitted[-1])


def macro_accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Mean over the classes that occur of the share of their examples that is right; constant guesses get 1 / classes.

    Args:
        predicted: (K,) int64.
        labels: (K,) int64.
    """
    right = (predicted == labels).float()
    shares = [float(right[labels == label].mean()) for label in sorted(set(labels.tolist()))]
    return sum(shares) / len(shares)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean over seeds, and half the width of its 95 % interval by Student's t; 0 for a single value."""
    values = list(values)
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    quantile = _STUDENT.get(len(values) - 1, 1.96)
    return mean, quantile * deviation / len(values) ** 0.5


_STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
"""97.5 % quantiles by degrees of freedom."""

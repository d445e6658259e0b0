"""A small convolutional model of how long phones are, for text that nobody has spoken.

B batch, P phones, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import poisson_nll_loss, relu

from jointst.common.progress import progress
from jointst.data.batch import pad_ids
from jointst.ops.masks import length_mask

KERNEL = 5
BATCH = 64
RATE = 2e-3


class DurationModel(nn.Module):
    """The mean duration of each phone from itself and its neighbours, in encoder positions.

    Args:
        symbols: size of the phone table.
        dim: D.
    """

    def __init__(self, symbols: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, dim)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2) for _ in range(2))
        self.output = nn.Linear(dim, 1)

    def forward(self, phones: Tensor, lengths: Tensor) -> Tensor:
        """Log mean durations (B, P) of phones (B, P) with lengths (B,); meaningless in padding."""
        valid = length_mask(lengths, phones.shape[1])[:, None, :]
        x = self.embedding(phones).transpose(1, 2) * valid  # (B, P, D) -> (B, D, P)
        for convolution in self.convolutions:
            x = (x + relu(convolution(x))) * valid
        logs: Tensor = self.output(x.transpose(1, 2))[..., 0]
        return logs


def fit(
    phones: Sequence[Tensor], durations: Sequence[Tensor], symbols: int, *, dim: int, updates: int, seed: int
) -> DurationModel:
    """Fit to counted durations by the Poisson likelihood: sums over many phones are right on average.

    Args:
        phones: (P,) of each utterance.
        durations: (P,) of each.
        symbols: size of the phone table.
        dim: D.
        updates: of Adam.
        seed: of weights and batches.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = DurationModel(symbols, dim)
        optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
        for _ in progress(range(updates), desc="durations: model", unit="update"):
            drawn = torch.randint(len(phones), (min(BATCH, len(phones)),)).tolist()
            padded, lengths = pad_ids([phones[i] for i in drawn], 0)
            wanted, _ = pad_ids([durations[i] for i in drawn], 0)
            valid = length_mask(lengths, padded.shape[1])
            loss = poisson_nll_loss(model(padded, lengths)[valid], wanted[valid].float())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model.eval()


@torch.inference_mode()
def predict(model: DurationModel, phones: Sequence[Tensor]) -> list[list[int]]:
    """Whole durations of phones; ends are rounded, so that their sum is that of the means.

    Args:
        model: the model.
        phones: (P,) of each sentence.

    Returns:
        P numbers from 0 of each sentence.
    """
    found = []
    for first in range(0, len(phones), BATCH):
        padded, lengths = pad_ids(phones[first : first + BATCH], 0)
        means = model(padded, lengths).exp()
        for row, length in zip(means, lengths.tolist(), strict=True):
            ends = row[:length].cumsum(0).round().long()
            found.append(ends.diff(prepend=ends.new_zeros(1)).tolist())
    return found

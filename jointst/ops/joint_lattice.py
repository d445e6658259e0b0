"""From joiner inputs to lattice scores, without ever holding the logits of a whole batch.

B batch, T frames, U labels, S places of a frame (place s of frame t stands for starts[t] + s labels emitted; without a
band all U+1), J joint features, V labels with the blank (label 0), R rows: the places (b, t, s) of a time chunk that
matter.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, logsigmoid, pad

from jointst.ops.band import Band
from jointst.ops.kernels.triton import usable
from jointst.ops.masks import length_mask

CPU_BYTES = 64 * 2**20
"""Budget of a chunk on a CPU: more of it would leave the caches."""
GPU_BYTES, GPU_SHARE = 160 * 2**20, 32
"""Budget of a chunk on a GPU, and the part of the free memory that it may be at most."""
_FLOAT_BYTES = 4
_HIDDEN_ARRAYS = 5
"""Arrays of R x J that backward holds besides the logits: tanh as kept and at its rows, three gradients."""


def frames_for_bytes(budget: int, rows: int, vocabulary: int, joint: int, logits: int = 1) -> int:
    """Frames of a time chunk whose float32 working memory fits a budget, at least 1.

    Args:
        budget: bytes.
        rows: B S, rows of logits for each frame.
        vocabulary: V.
        joint: J.
        logits: arrays of the logits' size that are held at once.
    """
    return max(1, budget // (rows * (logits * vocabulary + _HIDDEN_ARRAYS * joint) * _FLOAT_BYTES))


class _JointLattice(torch.autograd.Function):
    """Hand-written gradient: autograd would keep and copy several tensors of the logits' size.

    With z the logits of a row, HAT has log P(blank) = logsigmoid(z_0), log P(y) = logsigmoid(-z_0) + z_y - lse(z_1..);
    RNN-T has log P(k) = z_k - lse(z). Both gradients are (weights at the asked-for labels) - (a factor) * softmax.
    """

    @staticmethod
    def forward(
        ctx: Any,
        encoder: Tensor,
        predictor: Tensor,
        weight: Tensor,
        bias: Tensor,
        labels: Tensor,
        valid: Tensor,
        starts: Tensor | None,
        hat: bool,
        chunk: int,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        ctx.hat, ctx.chunk = hat, chunk
        following = pad(labels, (0, 1), value=1)  # (B, U) -> (B, U+1): no matter which after the last
        blanks = torch.zeros(valid.shape, dtype=_scores(encoder.dtype), device=encoder.device)
        nexts = torch.zeros_like(blanks)
        kept_hidden: Tensor | None = None
        kept_softmax: Tensor | None = None
        for part in _parts(encoder.shape[1], chunk):
            rows = _Rows(valid[:, part], None if starts is None else starts[:, part], predictor.shape[1])
            hidden = rows.hidden(encoder[:, part], predictor)
            logits = _logits(hidden, weight, bias)
            blank, picked = logits[:, 0].clone(), logits.gather(1, rows.labels(following)).squeeze(1)
            exponentials, total, log_total = _exponentials_in_place(logits, hat)
            blanks[:, part] = rows.put(logsigmoid(blank) if hat else blank - log_total)
            nexts[:, part] = rows.put(picked - log_total + (logsigmoid(-blank) if hat else 0))
            if keep:
                kept_hidden, kept_softmax = hidden, _softmax_in_place(exponentials, total, blank, hat)
        ctx.save_for_backward(encoder, predictor, weight, bias, following, valid, starts, kept_hidden, kept_softmax)
        return blanks, nexts[:, :, :-1]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, grad_blank: Tensor, grad_label: Tensor) -> tuple[Tensor | None, ...]:
        encoder, predictor, weight, bias, following, valid, starts, kept_hidden, kept_softmax = ctx.saved_tensors
        dtype = _scores(encoder.dtype)
        grad_next = pad(grad_label, (0, 1))  # (B, T, S-1) -> (B, T, S), nothing after the last place
        wanted = _above_rounding(grad_blank.abs() + grad_next.abs()) & valid
        grad_encoder = torch.empty_like(encoder)
        grad_predictor, grad_weight, grad_bias = (
            torch.zeros_like(leaf, dtype=dtype) for leaf in (predictor, weight, bias)
        )
        for part in _parts(encoder.shape[1], ctx.chunk):
            rows = _Rows(wanted[:, part], None if starts is None else starts[:, part], predictor.shape[1])
            if kept_hidden is None or kept_softmax is None:
                hidden = rows.hidden(encoder[:, part], predictor)
                logits = _logits(hidden, weight, bias)
                blank = logits[:, 0].clone()
                exponentials, total, _ = _exponentials_in_place(logits, ctx.hat)
                softmax = _softmax_in_place(exponentials, total, blank, ctx.hat)
            else:  # copied, since a graph may be gone through twice
                again = wanted[valid]
                hidden, softmax = kept_hidden[again], kept_softmax[again]
            on_blank, on_next = rows.take(grad_blank[:, part, :, None]), rows.take(grad_next[:, part, :, None])
            grad_logits = _grad_in_place(softmax, on_blank, on_next, rows.labels(following), ctx.hat)
            grad_bias += grad_logits.sum(0)
            grad_logits = grad_logits.to(hidden.dtype)
            grad_weight += grad_logits.t() @ hidden
            grad_hidden = grad_logits @ weight.to(hidden.dtype)
            grad_sum = torch.ops.aten.tanh_backward(grad_hidden, hidden)
            grad_encoder[:, part] = rows.add_to_predictor(grad_sum, grad_predictor)
        gradients = grad_predictor.to(predictor.dtype), grad_weight.to(weight.dtype), grad_bias.to(bias.dtype)
        return grad_encoder, *gradients, None, None, None, None, None, None


class _Rows:
    """The places of a chunk that matter, (B, t, S) bool, and moves between the chunk and its R rows.

    Args:
        mask: (B, t, S).
        starts: (B, t), or None where place s stands for s labels.
        states: U+1.
    """

    def __init__(self, mask: Tensor, starts: Tensor | None, states: int) -> None:
        self._shape = mask.shape
        self._index = mask.flatten().nonzero().squeeze(1)
        self._all = len(self._index) == mask.numel()
        self._dense = self._all and starts is None
        if not self._dense:
            frames, places = self._shape[1:]
            self._position = self._index // places  # of (b, t) among all
            self._state = self._position // frames * states + self._index % places  # of (b, u) among all
            if starts is not None:
                self._state += starts.flatten()[self._position]

    def take(self, chunk: Tensor) -> Tensor:
        """(B, t, S, X) to (R, X)."""
        flat = chunk.reshape(-1, chunk.shape[-1])
        return flat if self._all else flat[self._index]

    def hidden(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """tanh of the sum of (B, t, J) and (B, U+1, J) at each row, (R, J)."""
        joint = encoder.shape[-1]
        if self._dense:
            return (encoder[:, :, None] + predictor[:, None]).tanh_().reshape(-1, joint)
        hidden = encoder.reshape(-1, joint).index_select(0, self._position)
        return hidden.add_(predictor.reshape(-1, joint).index_select(0, self._state)).tanh_()

    def labels(self, following: Tensor) -> Tensor:
        """The next labels (B, U+1) at each row, (R, 1)."""
        if self._dense:
            return following[:, None, :, None].expand(*self._shape, 1).reshape(-1, 1)
        return following.flatten()[self._state][:, None]

    def put(self, rows: Tensor) -> Tensor:
        """(R, ...) to (B, t, S, ...), zeros elsewhere."""
        shape = (*self._shape, *rows.shape[1:])
        if self._all:
            return rows.view(shape)
        chunk = rows.new_zeros(self._shape.numel(), *rows.shape[1:])
        chunk[self._index] = rows
        return chunk.view(shape)

    def add_to_predictor(self, rows: Tensor, predictor: Tensor) -> Tensor:
        """Sum rows (R, J) over frames into (B, U+1, J), and over places into the result (B, t, J)."""
        if self._dense:
            chunk = self.put(rows)
            predictor += chunk.sum(1)
            return chunk.sum(2)
        batch, frames, _ = self._shape
        predictor.view(-1, rows.shape[1]).index_add_(0, self._state, rows.to(predictor.dtype))
        encoder = rows.new_zeros(batch * frames, rows.shape[1])
        return encoder.index_add_(0, self._position, rows).view(batch, frames, -1)


def _parts(frames: int, chunk: int) -> Iterator[slice]:
    return (slice(first, first + chunk) for first in range(0, frames, chunk))


def _scores(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _above_rounding(weights: Tensor) -> Tensor:
    """Where (B, T, U+1) weights are not lost in rounding: those left out add up to less than an utterance's largest
    times the machine epsilon. Paths of a trained model keep to a narrow band, and the rest costs nothing."""
    share = torch.finfo(weights.dtype).eps / weights[0].numel()
    limit = (weights.amax((1, 2), keepdim=True) * share).clamp(max=torch.finfo(weights.dtype).max)
    return ~(weights <= limit)  # not "weights > limit", so that NaN is passed on, as infinity is


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    logits = linear(hidden, weight.to(hidden.dtype), bias.to(hidden.dtype))
    return logits.to(_scores(logits.dtype))


def _exponentials_in_place(logits: Tensor, hat: bool) -> tuple[Tensor, Tensor, Tensor]:
    """exp(logits - their largest) in place of the logits (R, V), their sums, and log of the sums of exp(logits).

    HAT's softmax leaves out the blank, whose entry becomes 0.
    """
    if hat:
        logits[:, 0] = -torch.inf
    largest = logits.amax(1)
    exponentials = logits.sub_(largest[:, None]).exp_()
    total = exponentials.sum(1)
    return exponentials, total, total.log() + largest


def _softmax_in_place(exponentials: Tensor, total: Tensor, blank: Tensor, hat: bool) -> Tensor:
    """Probabilities; for HAT entry 0 becomes P(blank) and the others P(label | not blank)."""
    softmax = exponentials.div_(total[:, None])
    if hat:
        softmax[:, 0] = blank.sigmoid()
    return softmax


def _grad_in_place(softmax: Tensor, on_blank: Tensor, on_next: Tensor, labels: Tensor, hat: bool) -> Tensor:
    """Probabilities (R, V) to the gradient of the logits, from gradients (R, 1) of both scores."""
    if hat:
        blank = softmax[:, :1].clone()
        grad = softmax.mul_(-on_next)
        grad[:, :1] = on_blank * (1 - blank) - on_next * blank
    else:
        grad = softmax.mul_(-(on_next + on_blank))
        grad[:, :1] += on_blank
    return grad.scatter_add_(1, labels, on_next)


@functools.cache
def budget(device: torch.device) -> int:
    """Bytes of a chunk's arrays: on a GPU so many that its kernels are busy, and no more than a share of what is free
    when it is first asked."""
    if device.type != "cuda":
        return CPU_BYTES
    return min(GPU_BYTES, torch.cuda.mem_get_info(device)[0] // GPU_SHARE)


def _fused(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    hat: bool,
    lattice_bytes: int,
    lengths: tuple[Tensor, Tensor] | None,
    band: Band | None,
) -> tuple[Tensor, Tensor]:
    from jointst.ops.fused_joiner import fused_joint_lattice  # which needs Triton

    if lengths is None:
        sizes = (encoder.shape[1], labels.shape[1])
        frames, counts = (torch.full((len(encoder),), size, device=encoder.device) for size in sizes)
        lengths = frames, counts
    return fused_joint_lattice(
        encoder,
        predictor,
        weight,
        bias,
        labels,
        hat=hat,
        logit_lengths=lengths[0],
        target_lengths=lengths[1],
        starts=None if band is None else band.starts,
        width=None if band is None else band.width,
        budget_bytes=lattice_bytes,
    )


def joint_lattice(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    *,
    hat: bool,
    lattice_bytes: int | None = None,
    lengths: tuple[Tensor, Tensor] | None = None,
    band: Band | None = None,
) -> tuple[Tensor, Tensor]:
    """log P(blank) and log P(next label) of a joiner: all that a transducer lattice asks for.

    The logits (B, T, S, V) are made in chunks of time within a memory budget, and made again in backward, there
    only where a path worth mentioning goes; if all of them fit the budget they are kept instead. On a GPU kernels of
    :mod:`jointst.ops.kernels.triton` find the scores without writing logits, and wait for nothing.

    Args:
        encoder: (B, T, J), projected.
        predictor: (B, U+1, J), projected.
        weight: (V, J) of the output layer, which follows tanh(encoder + predictor).
        bias: (V,).
        labels: (B, U) int64, each at least 1, padding too.
        hat: P(blank) = sigmoid (arXiv 2003.07705) instead of one softmax over everything (arXiv 1211.3711).
        lattice_bytes: the budget of a chunk, its logits and hidden arrays; None for what suits the device.
        lengths: (B,) frames and (B,) labels; padding is then left out, and its scores are 0.
        band: from :func:`jointst.ops.band.find_band`; the joiner is computed there alone. None for the whole lattice,
            of S = U+1.

    Returns:
        (B, T, S) and (B, T, S-1), float32 (float64 for float64 inputs).
    """
    frames, states = encoder.shape[1], predictor.shape[1]
    starts, places = (None, states) if band is None else (band.starts, band.width)
    if lattice_bytes is None:
        lattice_bytes = budget(encoder.device)
    if encoder.dtype != torch.float64 and usable(encoder):
        return _fused(encoder, predictor, weight, bias, labels, hat, lattice_bytes, lengths, band)
    sizes = len(predictor) * places, weight.shape[0], weight.shape[1]
    keep = frames_for_bytes(lattice_bytes, *sizes, logits=2) >= frames  # two: the kept, and the copy backward works in
    chunk = frames if keep else min(frames, frames_for_bytes(lattice_bytes, *sizes))
    valid = torch.ones(len(encoder), frames, places, dtype=torch.bool, device=encoder.device)
    if lengths is not None:
        valid &= length_mask(lengths[0], frames)[:, :, None]
        if starts is None:
            valid &= length_mask(lengths[1] + 1, states)[:, None]
    if starts is not None:
        most = states - 1 if lengths is None else lengths[1][:, None, None]
        valid &= starts[:, :, None] + torch.arange(places, device=encoder.device) <= most
    blank: Tensor
    label: Tensor
    blank, label = _JointLattice.apply(  # type: ignore[no-untyped-call]
        encoder, predictor, weight, bias, labels, valid, starts, hat, chunk, keep
    )
    return blank, label

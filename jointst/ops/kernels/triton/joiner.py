"""Output layer of a joiner, softmax and the two scores a lattice asks for, without ever writing the logits.

R rows (b, t, s) of a chunk of frames, in order; B batch, T frames, S places of a frame, J joint features, V labels
with the blank (label 0). With z the logits of a row, HAT has log P(blank) = logsigmoid(z_0) and
log P(y) = logsigmoid(-z_0) + z_y - lse(z_1..); RNN-T has log P(k) = z_k - lse(z).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import triton
import triton.language as tl
from torch import Tensor

from jointst.ops.kernels.triton import interpreted
from jointst.ops.kernels.triton.common import launch, on_device, place_of, tuned

ROWS_OF_BLOCK = 64
"""Fewest rows that a program of :func:`joiner_gradient` has: partial sums of the bias are kept for so many."""
ENOUGH_ROWS = 1 << 14
"""Rows, each with all labels, that keep a large GPU at work: configurations are timed with no less to do. For
:func:`joiner_gradient`, which shares out the labels too, as many logits as these rows have at 256 labels."""
ROWS_OF_PROCESSOR = 256
"""Rows that :func:`joiner_scores` has at work on each multiprocessor: one program of 256, or two of 128."""
_WIDEN = tl.constexpr(interpreted())  # which multiplies the bits of bfloat16
_LOG2E = tl.constexpr(1.4426950408889634)


def _config(rows: int, labels: int, joint: int, warps: int, stages: int, **more: bool) -> triton.Config:
    sizes = {"BLOCK_R": rows, "BLOCK_V": labels, "BLOCK_J": joint, **more}
    return triton.Config(sizes, num_warps=warps, num_stages=stages)


SCORES = {
    2: [
        _config(128, 128, 64, 4, 3, FLAT=True),
        _config(128, 128, 64, 8, 3, FLAT=True),
        _config(128, 256, 64, 8, 3, FLAT=True),
        _config(256, 128, 64, 8, 3, FLAT=True),
        _config(128, 128, 64, 4, 3, FLAT=False),
    ],
    4: [_config(64, 128, 16, 8, 3, FLAT=False), _config(64, 64, 16, 4, 3, FLAT=False)],
}
"""Configurations of :func:`joiner_scores` by bytes of an element, all timed once when there is enough to do for it, the
first until then; FLAT makes one loop of two, which fetches the next labels' weights while a softmax is summed."""
GRADIENT = {
    2: [
        _config(128, 128, 64, 4, 3),
        _config(128, 128, 64, 8, 3),
        _config(128, 256, 64, 8, 3),
        _config(256, 128, 64, 8, 3),
    ],
    4: [_config(64, 128, 16, 8, 3), _config(64, 64, 32, 4, 2)],
}
"""The same for :func:`joiner_gradient`."""
_INTERPRETED = {"BLOCK_R": ROWS_OF_BLOCK, "BLOCK_V": 32, "BLOCK_J": 32}


def _by_size(configs: Mapping[int, list[triton.Config]]) -> Callable[..., list[triton.Config]]:
    return lambda _, arguments, **__: configs[arguments["hidden"].element_size()]


@triton.jit
def _logsigmoid(x):  # type: ignore[no-untyped-def]
    return tl.minimum(x, 0.0) - tl.log(1.0 + tl.exp(-tl.abs(x)))


@triton.jit
def _tile(  # type: ignore[no-untyped-def]
    hidden, weight, row, col, J: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Products of rows of both, (BLOCK_R, BLOCK_V) float32; every index must exist."""
    j = tl.arange(0, BLOCK_J)
    total = tl.zeros((BLOCK_R, BLOCK_V), tl.float32)
    left, right = hidden + row[:, None] * J + j[None, :], weight + col[None, :] * J + j[:, None]
    for begin in range(0, J, BLOCK_J):
        if J % BLOCK_J == 0:
            a, b = tl.load(left + begin), tl.load(right + begin)
        else:
            a = tl.load(left + begin, mask=(begin + j < J)[None, :], other=0.0)
            b = tl.load(right + begin, mask=(begin + j < J)[:, None], other=0.0)
        if _WIDEN:
            a, b = a.to(tl.float32), b.to(tl.float32)
        total = tl.dot(a, b, total, input_precision=PRECISION)
    return total


@tuned([*SCORES[2], *SCORES[4]], ["J", "V", "HAT"], _by_size(SCORES))
@triton.jit(do_not_specialize=["frames", "width", "first", "chunk", "rows"])
def _scores(  # type: ignore[no-untyped-def]
    hidden, weight, bias, codes, blank, label, log_total, frames, width, first, chunk, rows, J: tl.constexpr,
    V: tl.constexpr, HAT: tl.constexpr, PRECISION: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_V: tl.constexpr,
    BLOCK_J: tl.constexpr, FLAT: tl.constexpr,
):  # fmt: skip
    begin = tl.program_id(0) * BLOCK_R
    local = tl.arange(0, BLOCK_R)
    inside = begin + local < rows
    b, t, s = place_of(begin + local, first, chunk, frames, width)
    frame = b * frames + t
    place = frame * width + s
    code = tl.load(codes + place, mask=inside, other=-1)
    to_label = label + frame * (width - 1) + s
    has_label = inside & (s + 1 < width)
    if tl.max(code, 0) < 0:
        nothing = tl.zeros((BLOCK_R,), tl.float32)
        tl.store(blank + place, nothing, mask=inside)
        tl.store(log_total + place, nothing, mask=inside)
        tl.store(to_label, nothing, mask=has_label)
        return
    own = hidden + begin.to(tl.int64) * J
    row = tl.minimum(local, rows - 1 - begin)
    largest = tl.full((BLOCK_R,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_R,), tl.float32)
    picked = tl.zeros((BLOCK_R,), tl.float32)
    first_logit = tl.zeros((BLOCK_R,), tl.float32)
    for v in tl.range(0, V, BLOCK_V, flatten=FLAT):
        col = v + tl.arange(0, BLOCK_V)
        logits = _tile(own, weight, row, tl.minimum(col, V - 1), J, BLOCK_R, BLOCK_V, BLOCK_J, PRECISION)
        logits += tl.load(bias + col, mask=col < V, other=float("-inf"))[None, :]
        if v == 0:
            first_logit = tl.sum(tl.where((col == 0)[None, :], logits, 0.0), 1)
            if HAT:
                logits = tl.where((col == 0)[None, :], float("-inf"), logits)
        picked += tl.sum(tl.where(col[None, :] == code[:, None], logits, 0.0), 1)
        higher = tl.maximum(largest, tl.max(logits, 1))
        total *= tl.exp2((largest - higher) * _LOG2E)
        total += tl.sum(tl.exp2(logits * _LOG2E - (higher * _LOG2E)[:, None]), 1)
        largest = higher
    lse = largest + tl.log(total)
    if HAT:
        on_blank = _logsigmoid(first_logit)
        on_label = picked - lse + _logsigmoid(-first_logit)
    else:
        on_blank = first_logit - lse
        on_label = picked - lse
    tl.store(blank + place, tl.where(code >= 0, on_blank, 0.0), mask=inside)
    tl.store(log_total + place, tl.where(code >= 0, lse, 0.0), mask=inside)
    tl.store(to_label, tl.where(code > 0, on_label, 0.0), mask=has_label)


@tuned([*GRADIENT[2], *GRADIENT[4]], ["J", "V", "HAT"], _by_size(GRADIENT), restore=["grad_bias"])
@triton.jit(do_not_specialize=["frames", "width", "first", "chunk", "rows"])
def _gradient(  # type: ignore[no-untyped-def]
    hidden, weight, bias, codes, log_total, on_blank, on_label, least, out, grad_bias, frames, width, first, chunk,
    rows, J: tl.constexpr, V: tl.constexpr, STRIDE: tl.constexpr, HAT: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0) // tl.cdiv(V, BLOCK_V)
    v = tl.program_id(0) % tl.cdiv(V, BLOCK_V) * BLOCK_V
    begin = part * BLOCK_R
    local = tl.arange(0, BLOCK_R)
    inside = begin + local < rows
    b, t, s = place_of(begin + local, first, chunk, frames, width)
    frame = b * frames + t
    code = tl.load(codes + frame * width + s, mask=inside, other=-1)
    by_blank = tl.load(on_blank + frame * width + s, mask=code >= 0, other=0.0)
    by_label = tl.load(on_label + frame * (width - 1) + s, mask=code > 0, other=0.0)
    # Not "more than", so that NaN is passed on.
    lost = (tl.abs(by_blank) + tl.abs(by_label)) <= tl.load(least + b, mask=inside, other=0.0)
    wanted = (code >= 0) & (lost == 0)
    col = v + tl.arange(0, BLOCK_V)
    to = out + begin.to(tl.int64) * STRIDE + local[:, None] * STRIDE + col[None, :]
    fits = inside[:, None] & (col < V)[None, :]
    if tl.max(wanted.to(tl.int32), 0) == 0:
        tl.store(to, tl.zeros((BLOCK_R, BLOCK_V), out.dtype.element_ty), mask=fits)
        return
    by_blank = tl.where(wanted, by_blank, 0.0)
    by_label = tl.where(wanted, by_label, 0.0)
    lse = tl.load(log_total + frame * width + s, mask=wanted, other=float("inf"))  # P = 0 where nothing is wanted
    row = tl.minimum(local, rows - 1 - begin)
    own = hidden + begin.to(tl.int64) * J
    logits = _tile(own, weight, row, tl.minimum(col, V - 1), J, BLOCK_R, BLOCK_V, BLOCK_J, PRECISION)
    logits += tl.load(bias + col, mask=col < V, other=float("-inf"))[None, :]
    softmax = tl.exp2(logits * _LOG2E - (lse * _LOG2E)[:, None])
    if HAT:
        grad = softmax * -by_label[:, None]
    else:
        grad = softmax * -(by_label + by_blank)[:, None]
    if v == 0:
        if HAT:
            blank = 1.0 / (1.0 + tl.exp(-logits))
            grad = tl.where((col == 0)[None, :], by_blank[:, None] - (by_blank + by_label)[:, None] * blank, grad)
        else:
            grad += tl.where((col == 0)[None, :], by_blank[:, None], 0.0)
    grad += tl.where(col[None, :] == code[:, None], by_label[:, None], 0.0)
    tl.store(to, grad.to(out.dtype.element_ty), mask=fits)
    partial = grad_bias + part * V + col
    tl.store(partial, tl.load(partial, mask=col < V, other=0.0) + tl.sum(grad, 0), mask=col < V)


def _geometry(hidden: Tensor, codes: Tensor, frames: tuple[int, int] | None) -> tuple[int, int, int, int, int]:
    """T, S, the chunk's first frame and number of frames, R."""
    batch, total, width = codes.shape
    first, last = frames or (0, total)
    rows = batch * (last - first) * width
    assert hidden.shape[0] == rows, (hidden.shape, codes.shape, frames)
    return total, width, first, last - first, rows


def _sizes(**more: bool) -> dict[str, int]:
    return {**_INTERPRETED, **more} if interpreted() else {}


def joiner_scores(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    codes: Tensor,
    out: tuple[Tensor, Tensor, Tensor],
    *,
    hat: bool,
    frames: tuple[int, int] | None = None,
) -> None:
    """Scores of a chunk of frames; those of padding are 0, and so is a label's where none follows.

    Args:
        hidden: (R, J), float32 (then no TF32 is used) or a half precision (summed in float32).
        weight: (V, J) of the same dtype.
        bias: (V,) float32.
        codes: (B, T, S) of :func:`jointst.ops.kernels.triton.hidden.next_labels`.
        out: log P(blank) (B, T, S), log P(next label) (B, T, S-1) and what backward needs, the log of the sum of
            exp(logits) (B, T, S), without the blank's for HAT; all float32; the frames of the chunk are written.
        hat: P(blank) = sigmoid instead of one softmax over everything.
        frames: the first frame of the chunk and the one after its last; without, all.
    """
    geometry = _geometry(hidden, codes, frames)
    vocabulary, joint = weight.shape

    def grid(meta: Mapping[str, int]) -> tuple[int]:
        return (triton.cdiv(geometry[-1], meta["BLOCK_R"]),)

    otherwise = None if len(hidden) >= ENOUGH_ROWS else SCORES[hidden.element_size()][0]
    with on_device(hidden):
        launch(
            _scores, grid, (hidden.dtype, joint, vocabulary, hat), otherwise, hidden, weight, bias, codes, *out,
            *geometry, J=joint, V=vocabulary, HAT=hat, PRECISION="ieee", **_sizes(FLAT=False),
        )  # fmt: skip


def joiner_gradient(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    codes: Tensor,
    log_total: Tensor,
    upstream: tuple[Tensor, Tensor, Tensor],
    out: Tensor,
    grad_bias: Tensor,
    *,
    hat: bool,
    frames: tuple[int, int] | None = None,
) -> None:
    """The gradient of a chunk's logits, which are made again.

    Args:
        hidden, weight, bias, codes, hat, frames: as in :func:`joiner_scores`.
        log_total: (B, T, S) as it was written there.
        upstream: gradients of log P(blank) (B, T, S) and of log P(next label) (B, T, S-1), and for each utterance (B,)
            the sum of both magnitudes at or below which a row is left out; all float32.
        out: (R, V) of the hidden's dtype, each row contiguous; all is written.
        grad_bias: (at least R / :data:`ROWS_OF_BLOCK`, V) float32, is added to: its sum over rows is the bias's.
    """
    geometry = _geometry(hidden, codes, frames)
    vocabulary, joint = weight.shape
    assert out.stride(1) == 1
    assert len(grad_bias) * ROWS_OF_BLOCK >= len(hidden)

    def grid(meta: Mapping[str, int]) -> tuple[int]:
        return (triton.cdiv(geometry[-1], meta["BLOCK_R"]) * triton.cdiv(vocabulary, meta["BLOCK_V"]),)

    otherwise = None if out.numel() >= ENOUGH_ROWS * 256 else GRADIENT[hidden.element_size()][0]
    with on_device(hidden):
        launch(
            _gradient, grid, (hidden.dtype, joint, vocabulary, hat, out.stride(0)), otherwise, hidden, weight, bias,
            codes, log_total, *upstream, out, grad_bias, *geometry, J=joint, V=vocabulary, STRIDE=out.stride(0),
            HAT=hat, PRECISION="ieee", **_sizes(),
        )  # fmt: skip

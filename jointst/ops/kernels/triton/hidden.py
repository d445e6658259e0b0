"""Hidden layer of a joiner: tanh of encoder plus predictor at the places of a lattice or of a band.

B batch, T frames, U labels, S width of a band (places kept for each frame; the whole lattice has S = U+1 and no
starts), J joint features, R rows (b, t, s) of a chunk of frames, in order. Place s of frame t stands for
``starts[b, t] + s`` labels emitted.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from jointst.ops.kernels.triton.common import on_device, place_of

PADDING = -1
"""What :func:`next_labels` has for a place that no path of the utterance can be at."""
_FAR = tl.constexpr(1 << 30)


@triton.jit(do_not_specialize=["frames", "width", "longest", "rows"])
def _next_labels(  # type: ignore[no-untyped-def]
    labels, logit_lengths, target_lengths, starts, codes, frames, width, longest, rows, BANDED: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = row < rows
    b, t, s = place_of(row, 0, frames, frames, width)
    u = s
    if BANDED:
        u += tl.load(starts + row // width, mask=inside, other=0).to(tl.int32)
    last = tl.load(target_lengths + b, mask=inside, other=0)
    valid = inside & (u >= 0) & (t < tl.load(logit_lengths + b, mask=inside, other=0)) & (u <= last)
    follows = valid & (u < last) & (s + 1 < width)
    code = tl.load(labels + b * longest + u, mask=follows, other=0).to(tl.int32)
    tl.store(codes + row, tl.where(valid, code, -1), mask=inside)


@triton.jit(do_not_specialize=["frames", "width", "states", "first", "chunk", "rows"])
def _hidden(  # type: ignore[no-untyped-def]
    encoder, predictor, codes, starts, out, frames, width, states, first, chunk, rows, J: tl.constexpr,
    BANDED: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    j = tl.program_id(1) * BLOCK_J + tl.arange(0, BLOCK_J)
    b, t, s = place_of(row, first, chunk, frames, width)
    frame = b * frames + t
    inside = row < rows
    code = tl.load(codes + frame * width + s, mask=inside, other=-1)
    u = s
    if BANDED:
        u += tl.load(starts + frame, mask=inside, other=0).to(tl.int32)
    state = b * states + tl.minimum(tl.maximum(u, 0), states - 1)
    wanted = (code >= 0)[:, None] & (j < J)[None, :]
    total = tl.load(encoder + frame.to(tl.int64)[:, None] * J + j[None, :], mask=wanted, other=0.0).to(tl.float32)
    total += tl.load(predictor + state.to(tl.int64)[:, None] * J + j[None, :], mask=wanted, other=0.0).to(tl.float32)
    hidden = 1.0 - 2.0 / (tl.exp(2.0 * total) + 1.0)  # tanh, right to rounding of 1, and at infinity too
    where = out + row.to(tl.int64)[:, None] * J + j[None, :]
    tl.store(where, hidden.to(out.dtype.element_ty), mask=inside[:, None] & (j < J)[None, :])


@triton.jit
def _before_tanh(grad, hidden, row, j, mask, J: tl.constexpr):  # type: ignore[no-untyped-def]
    """The gradient of tanh's argument at (rows, features) in float32, 0 where masked."""
    where = row.to(tl.int64)[:, None] * J + j[None, :]
    value = tl.load(hidden + where, mask=mask, other=0.0).to(tl.float32)
    return tl.load(grad + where, mask=mask, other=0.0).to(tl.float32) * (1.0 - value * value)


@triton.jit(do_not_specialize=["batch", "frames", "width", "states", "first", "chunk"])
def _hidden_backward(  # type: ignore[no-untyped-def]
    grad, hidden, starts, grad_encoder, grad_predictor, batch, frames, width, states, first, chunk, J: tl.constexpr,
    BANDED: tl.constexpr, BLOCK_S: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    """The first B chunk programs sum a frame's places, the others sum the frames of BLOCK_S states: no atomics, so
    that the same batch always gives the same digits."""
    program = tl.program_id(0)
    j = tl.program_id(1) * BLOCK_J + tl.arange(0, BLOCK_J)
    total = tl.zeros((BLOCK_S, BLOCK_J), tl.float32)
    if program < batch * chunk:
        for lowest_s in range(0, width, BLOCK_S):
            s = lowest_s + tl.arange(0, BLOCK_S)
            total += _before_tanh(grad, hidden, program * width + s, j, (s < width)[:, None] & (j < J)[None, :], J)
        frame = program // chunk * frames + first + program % chunk
        own = grad_encoder + frame.to(tl.int64) * J + j
        tl.store(own, tl.sum(total, 0).to(grad_encoder.dtype.element_ty), mask=j < J)
    else:
        blocks = tl.cdiv(states, BLOCK_S)
        b = (program - batch * chunk) // blocks
        lowest = (program - batch * chunk) % blocks * BLOCK_S
        u = lowest + tl.arange(0, BLOCK_S)
        since = starts + b * frames + first
        begin, end = 0, chunk
        if BANDED:
            begin, end = _frames_between(since, chunk, lowest - width + 1, lowest + BLOCK_S - 1)
        for t in range(begin, end):
            s = u
            if BANDED:
                s = u - tl.load(since + t).to(tl.int32)
            mask = ((s >= 0) & (s < width) & (u < states))[:, None] & (j < J)[None, :]
            total += _before_tanh(grad, hidden, (b * chunk + t) * width + s, j, mask, J)
        out = grad_predictor + (b * states + u).to(tl.int64)[:, None] * J + j[None, :]
        mask = (u < states)[:, None] & (j < J)[None, :]
        tl.store(out, tl.load(out, mask=mask, other=0.0) + total, mask=mask)


@triton.jit
def _frames_between(starts, frames, low, high):  # type: ignore[no-untyped-def]
    """The first frame whose start is from ``low`` to ``high``, and the one after the last. What padding holds may widen
    this, but never narrow it."""
    begin = frames
    end = 0
    for before in range(0, frames, 128):
        t = before + tl.arange(0, 128)
        start = tl.load(starts + t, mask=t < frames, other=_FAR).to(tl.int32)
        within = (start >= low) & (start <= high) & (t < frames)
        begin = tl.minimum(begin, tl.min(tl.where(within, t, frames), 0))
        end = tl.maximum(end, tl.max(tl.where(within, t + 1, 0), 0))
    return begin, end


def next_labels(
    labels: Tensor, logit_lengths: Tensor, target_lengths: Tensor, frames: int, width: int, starts: Tensor | None = None
) -> Tensor:
    """The label that may follow at each place, which says as well which places matter.

    Args:
        labels: (B, U), each at least 1 within the lengths.
        logit_lengths: (B,) frames.
        target_lengths: (B,) labels.
        frames: T.
        width: S.
        starts: (B, T) labels emitted at place 0 of each frame; without, 0.

    Returns:
        (B, T, S) int32: the next label, 0 where none follows within the utterance and the band, and
        :data:`PADDING` beyond the lengths.
    """
    batch, longest = labels.shape
    codes = torch.empty(batch, frames, width, dtype=torch.int32, device=labels.device)
    block = 512
    with on_device(labels):
        _next_labels[(triton.cdiv(codes.numel(), block),)](
            labels.contiguous(), logit_lengths.contiguous(), target_lengths.contiguous(),
            codes if starts is None else starts.contiguous(), codes, frames, width, longest, codes.numel(),
            BANDED=starts is not None, BLOCK=block,
        )  # fmt: skip
    return codes


def hidden(
    encoder: Tensor,
    predictor: Tensor,
    codes: Tensor,
    starts: Tensor | None = None,
    frames: tuple[int, int] | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """tanh(encoder + predictor), summed in float32, at the places of a chunk of frames; 0 where padding is.

    Args:
        encoder: (B, T, J).
        predictor: (B, U+1, J) of the encoder's dtype.
        codes: (B, T, S) of :func:`next_labels`.
        starts: (B, T).
        frames: the first frame of the chunk and the one after its last; without, all.
        out: memory for the result.

    Returns:
        (R, J) of the inputs' dtype.
    """
    (batch, total, joint), width = encoder.shape, codes.shape[2]
    first, last = frames or (0, total)
    rows = batch * (last - first) * width
    out = torch.empty(rows, joint, dtype=encoder.dtype, device=encoder.device) if out is None else out
    block_r, block_j = 32, min(128, triton.next_power_of_2(joint))
    with on_device(encoder):
        _hidden[(triton.cdiv(rows, block_r), triton.cdiv(joint, block_j))](
            encoder, predictor, codes, codes if starts is None else starts, out, total, width, predictor.shape[1],
            first, last - first, rows, J=joint, BANDED=starts is not None, BLOCK_R=block_r, BLOCK_J=block_j,
        )  # fmt: skip
    return out


def hidden_backward(
    grad: Tensor,
    values: Tensor,
    grad_encoder: Tensor,
    grad_predictor: Tensor,
    width: int,
    starts: Tensor | None = None,
    frames: tuple[int, int] | None = None,
) -> None:
    """Gradients of :func:`hidden`'s inputs from that of its result.

    Args:
        grad: (R, J) of the result, 0 where padding is.
        values: (R, J), the result.
        grad_encoder: (B, T, J), its frames of the chunk are written.
        grad_predictor: (B, U+1, J) float32, is added to.
        width: S.
        starts: (B, T).
        frames: as in :func:`hidden`.
    """
    batch, total, joint = grad_encoder.shape
    states = grad_predictor.shape[1]
    first, last = frames or (0, total)
    block_s, block_j = min(16, triton.next_power_of_2(width)), min(64, triton.next_power_of_2(joint))
    programs = batch * (last - first) + batch * triton.cdiv(states, block_s)
    with on_device(grad):
        _hidden_backward[(programs, triton.cdiv(joint, block_j))](
            grad, values, grad if starts is None else starts, grad_encoder, grad_predictor, batch, total, width,
            states, first, last - first, J=joint, BANDED=starts is not None, BLOCK_S=block_s, BLOCK_J=block_j,
        )  # fmt: skip

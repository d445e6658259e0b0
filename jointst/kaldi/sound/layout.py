"""How a file is to be read, and the error of one that is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from jointst.common.errors import DataError
from jointst.common.units import Hertz, Seconds, samples_in

Decoder: TypeAlias = Literal["libsndfile", "libav"]
Range: TypeAlias = tuple[int, int]
"""First byte and the one after the last."""

BLOCK: Seconds = 10.0
MOST_VALUES = 1 << 22
"""Of all channels of a block together: a header may state a thousand channels at any rate."""
"""Audio decoded at a time, so that an hour takes no more memory than a minute."""
SLACK = 128
"""Bytes that may be missing: headers that count themselves, padding; a few samples at most."""
UNKNOWN_SIZE = 0x7FFFF000
"""Programs that write to a pipe cannot know the size and claim this much or more, or nothing."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a container says of its file.

    Attributes:
        decoder: who reads it.
        parts: byte ranges of whole files that were joined by ``cat`` and are decoded one after the other; none for the
            file as it is.
        least: length that it must have; 0 if that is not known before.
        end: the first byte behind what belongs to it, where another file may have been joined on; 0 if not known.
        options: names and values for libav's demuxer.
        open_end: its size is not stated, so that a last packet that is short is no fault.
    """

    decoder: Decoder = "libav"
    parts: tuple[Range, ...] = ()
    least: Seconds = 0.0
    end: int = 0
    options: tuple[tuple[str, str], ...] = ()
    open_end: bool = False


def samples_of_block(rate: Hertz, channels: int) -> int:
    """Samples of each channel in a block."""
    return max(1, min(samples_in(BLOCK, rate), MOST_VALUES // channels))


def cut_off(what: str) -> DataError:
    """The error of a file of which a piece is missing."""
    return DataError(f"is cut off: it {what}", fix="copy it again, or convert what is left to a new file")


def protected() -> DataError:
    """The error of a file that its seller locked."""
    return DataError("is protected (DRM) and cannot be decoded", fix="get an unprotected copy")

"""Decoding by libav (FFmpeg), through PyAV: MP3, AAC, m4a, WebM, AMR, WMA, films, and what libsndfile cannot read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from jointst.common.errors import DataError
from jointst.common.units import Hertz, seconds_of
from jointst.kaldi.sound import mpeg
from jointst.kaldi.sound.layout import Layout, cut_off, protected, samples_of_block

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# T samples, C channels

GAPS = 0.01
"""Share of the packets of MPEG audio that may be damaged, as where files were joined; they become silence."""
ALONE = {"protocol_whitelist": "none"}
"""Options by which libav opens nothing beside the file that it is given open: playlists and films may name others."""
_MPEG = ("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float")
_PROTECTED = ("drms", "enca", "aavd")


def blocks(path: str, layout: Layout) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
    """The rate and the samples (T, C) of a file, piece by piece.

    Raises:
        DataError: there is no sound track, or it is protected, damaged or cut off.
    """
    import av

    try:
        with ExitStack() as files:
            options = dict(layout.options) | ALONE
            file = files.enter_context(open(_name(path), "rb"))
            container = files.enter_context(av.open(file, options=options, metadata_errors="replace"))
            yield from _gathered(_frames(container, layout))
    except av.FFmpegError as error:
        problem = f"cannot be read as audio: {error.strerror or error}"
        raise DataError(problem, fix="convert it to WAV or FLAC, or restore it") from None


def _name(path: str) -> str | bytes:
    """A name that is text as it is, for its ending tells libav of the few kinds that nothing else tells of."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _gathered(
    frames: Iterator[tuple[Hertz, NDArray[np.float32]]],
) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
    """Frames (T, C) in larger blocks, a new one where the number of channels changes."""
    import numpy as np

    waiting: list[NDArray[np.float32]] = []
    count = 0
    rate: Hertz = 0.0
    for rate, frame in frames:
        other = waiting and waiting[0].shape[1] != frame.shape[1]
        if waiting and (other or count + len(frame) > samples_of_block(rate, frame.shape[1])):
            yield rate, np.concatenate(waiting)
            waiting, count = [], 0
        waiting.append(frame)
        count += len(frame)
    if waiting:
        yield rate, np.concatenate(waiting)


def _frames(container: Any, layout: Layout) -> Iterator[tuple[Hertz, NDArray[np.float32]]]:
    import av
    import numpy as np

    track = container.streams.best("audio")
    if track is None:
        kinds = sorted({stream.type for stream in container.streams})
        said = f"holds no sound track{', only ' + ' and '.join(kinds) if kinds else ''}"
        raise DataError(said, fix="get the file that has one")
    if track.codec_context is None:
        raise DataError("is in a coding that is not known", fix="convert it to WAV or FLAC where it was made")
    if str(track.codec_context.codec_tag) in _PROTECTED:
        raise protected()
    is_mpeg = track.codec_context.name in _MPEG
    packets = gaps = done = 0
    fault = ""  # of the last packet, which is only a cut if no other comes
    rate, last = 0.0, None
    frame_shape = (0, 1)
    for packet in _packets(container, track, layout):
        is_end = packet is None
        frames = []
        try:
            frames = track.codec_context.decode(packet)
        except av.EOFError:
            pass
        except av.FFmpegError:
            if is_end or (is_mpeg and not mpeg.frame_bytes(bytes(packet)[:4])):
                continue  # a tag, or padding
            gaps += 1
            if not is_mpeg:
                if fault:
                    break
                fault = "ends within a packet"
                continue
            if rate:  # a file that was cut from a longer one begins with frames that need those before
                yield rate, np.zeros(frame_shape, np.float32)
                done += frame_shape[0]
        if fault and frames:
            raise _damaged(done, rate)
        if packet is not None:
            packets, last = packets + 1, packet
            if packet.is_corrupt and not layout.open_end:
                fault = "ends within a packet"
        for frame in frames:
            samples = _samples(frame)
            if rate and frame.sample_rate != rate:
                at = seconds_of(done, rate)
                problem = f"changes its rate from {rate:g} to {frame.sample_rate} Hz at {at:.2f} s"
                raise DataError(problem, fix="bring its parts to one rate before they are joined")
            rate, frame_shape = float(frame.sample_rate), samples.shape
            done += len(samples)
            yield rate, samples
    if is_mpeg and last is not None:
        whole = mpeg.frame_bytes(bytes(last)[:4])
        fault = "ends within its last frame" if last.size < whole else fault
    if not done:
        raise DataError("is cut off before its first sample, or holds none", fix="copy it again")
    if fault:
        raise cut_off(f"{fault}, {seconds_of(done, rate) if rate else 0:.2f} s from its start")
    if gaps > max(3, GAPS * packets):
        raise _damaged(done, rate)


def _packets(container: Any, track: Any, layout: Layout) -> Iterator[Any]:
    """Packets and, at last, None; a demuxer that breaks off is a file that is cut off."""
    import av

    some = False
    try:
        for packet in container.demux(track):
            if packet.size:
                some = True
                yield packet
    except av.EOFError:
        pass
    except av.FFmpegError:
        if some and not layout.open_end:
            raise cut_off("ends where more must follow") from None
        raise
    yield None


def _damaged(done: int, rate: Hertz) -> DataError:
    return DataError(
        f"is cut off or damaged {seconds_of(done, rate) if rate else 0:.2f} s from its start", fix="copy it again"
    )


def _samples(frame: Any) -> NDArray[np.float32]:
    """A frame of any sample format as (T, C) in [-1, 1]."""
    import numpy as np

    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if values.dtype == np.uint8:
        values = values.astype(np.int16) - 128
        scale = 128.0
    else:
        scale = -float(np.iinfo(values.dtype).min) if np.issubdtype(values.dtype, np.integer) else 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is found to be not finite
        samples: NDArray[np.float32] = values.astype(np.float32) / np.float32(scale)
    return samples
